// Package fleet shows who works on what, and gives orders to workers.
//
// Each pool whose manager has the [Fleet.Listener] of a [Fleet] registers in a [Store]:
// what program it is and where it runs, its queues and types, and which tasks it runs
// since when. It repeats this every [Interval]. A worker without a heartbeat for [TTL] is
// gone. One that stops leaves at once; one that is killed is noticed this way.
//
// Operators use a Fleet on the same store, in any process: List shows the workers, Types
// describes the types of tasks that they know, so that a tool without the users' code can
// show and check payloads (see package payload). Quiet, Resume and Cancel send orders, which
// workers carry out at their next heartbeat.
//
// Nothing in the store is a payload, a result or an error. IDs of tasks and names are, so
// keep secrets out of them.
package fleet
