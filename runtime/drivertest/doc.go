// Package drivertest is the conformance suite for providers.
//
// The author of a provider calls [Run] with a [Harness] that says how to reach its
// backend. The suite checks these laws:
//
//  1. Nothing is lost. A task whose Enqueue returned nil is handed out until it
//     is completed or on the dead letter queue: through kill -9 of producers and
//     workers, a restart of the broker, a cut or slow network.
//  2. Leases hold. Nobody else receives a task before its lease ends; after that
//     somebody does.
//  3. Stale receipts change nothing. Complete, Extend, Release and DeadLetter
//     with a receipt that a later delivery has replaced answer ErrLeaseLost.
//  4. Never early. A delayed task is not handed out before its time, and at most
//     Capabilities.Lateness after it.
//  5. Publish before ack. Retry, dead letter and redrive write the new place
//     before they leave the old one, or both at once. A crash in between makes a
//     duplicate, never a loss.
//  6. Poison does not loop. A payload that cannot be read, a type that nobody
//     knows for QueueConfig.Unknown, a handler that kills its process MaxDeliveries
//     times: to the dead letter queue, with the reason.
//  7. Crashes are not failures. A retry is charged when the handler failed, not
//     when its worker died or was told to stop.
//  8. Order where promised. On a FIFO queue a group's tasks come one at a time
//     and in order, through retries; on a priority queue the highest level comes
//     first.
//  9. Unique means told. A duplicate is answered with the ID of the first.
//  10. An ack survives trouble. Where the backend is away when a task is done,
//     the ack is tried again until the lease ends.
//  11. Stopping is clean. A pool that has stopped leaves nothing leased.
//  12. Stats tell the truth, at a cost that does not grow with the number of
//     tasks.
//  13. A deploy is not a fault. Old and new programs on one queue at once: no task is
//     buried because one of them does not know it.
//  14. What is done stays done. Through kill -9 and restart of the broker no completed
//     task runs again beyond what Durable and ConfirmsAcks allow, and its unique key
//     is free.
//  15. A full, slow or frozen backend still drains. What is there is worked off,
//     leases are kept, producers get an error that says why, nothing hangs. While it is
//     away every call is ErrUnavailable.
//  16. A task dies only of its own runs. None is buried that no handler began, but for
//     expiry, for what cannot be read, and for patience used up: what is given back,
//     a neighbour's crash and a lease that ended while its worker lived are charged to
//     nobody.
//
// Where a Harness has a Network, each operation is cut in the middle and its reply
// lost, on the real backend, and the round trips of a pool are counted; where it
// has Restart and Crash, its broker is stopped and killed under work.
//
// A provider that cannot keep a law in full says so in Harness.Downgrades, with
// the reason; the table of laws that Run prints shows it.
package drivertest
