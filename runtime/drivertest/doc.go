// Package drivertest is the conformance suite for providers.
//
// The author of a provider calls [Run] with a [Harness] that says how to reach its
// backend. The suite checks these laws:
//
//  1. Nothing is lost. A task whose Enqueue returned nil is handed out until it
//     is completed or on the dead letter queue: through kill -9 of producers and
//     workers, a restart of the broker, a cut or slow network.
//  2. Leases hold. No other worker receives a task before its lease ends; after that one
//     does.
//  3. Stale receipts change nothing. Complete, Extend, Release and DeadLetter
//     with a receipt that a later delivery has replaced return ErrLeaseLost.
//  4. Never early. A delayed task is not handed out before its time, and at most
//     Capabilities.Lateness after it.
//  5. Publish before ack. Retry, dead letter and redrive write the new place
//     before they leave the old one, or both at once. A crash in between makes a
//     duplicate, never a loss.
//  6. Poison does not loop. A task whose payload cannot be read, whose type no worker
//     has known for QueueConfig.Unknown, or whose handler kills its process
//     MaxDeliveries times goes to the dead letter queue, with the reason.
//  7. Crashes are not failures. A retry is charged when the handler failed, not when its
//     worker died or was stopped.
//  8. Order where promised. On a FIFO queue a group's tasks come one at a time
//     and in order, through retries; on a priority queue the highest level comes
//     first.
//  9. Duplicates are reported. The enqueue of a duplicate returns the ID of the first
//     task.
//  10. An ack survives trouble. If the backend is away when a task is done, the ack is
//     repeated until the lease ends.
//  11. Stopping is clean. A pool that has stopped leaves nothing leased.
//  12. Stats tell the truth, at a cost that does not grow with the number of
//     tasks.
//  13. A deploy is not a fault. Old and new programs on one queue at once: no task is
//     buried because one of them does not know it.
//  14. What is done stays done. Through kill -9 and restart of the broker no completed
//     task runs again beyond what Durable and ConfirmsAcks allow, and its unique key
//     is free.
//  15. A full, slow or frozen backend still drains. Existing tasks are run, leases are
//     kept, producers get an error that says why, and nothing hangs. While the backend is
//     away every call returns ErrUnavailable.
//  16. A task dies only of its own runs. A task that no handler began is buried only if
//     it expired, cannot be read, or was of an unknown type for too long. It is not
//     charged when it is given back, when a neighbour crashes, or when its lease ends
//     while its worker lives.
//
// If a Harness has a Network, the suite cuts each operation in the middle, loses its
// reply, on the real backend, and counts the round trips of a pool. If it has Restart and
// Crash, the suite stops and kills the broker under load.
//
// A provider that cannot keep a law in full says so in Harness.Downgrades, with
// the reason; the table of laws that Run prints shows it.
package drivertest
