// Package history records what became of tasks: whether and when they ran, for how long,
// and with which error.
//
// Each pool whose manager has the [History.Listener] of a [History] records its runs in a
// [Store], and so does a server of package server for its workers: one [Record] for each run,
// when the queue has taken its outcome, and one for a task that ends without a run. Tools in
// any process read them with a History on the same store: Task has the timeline of one task,
// List looks for records, the newest first, and Stats has counts and percentiles of each type.
//
// Recording never delays a task. Records wait in memory and are written by a goroutine of
// their own, every [Interval] or as soon as there are some hundreds. If the store is
// away, or slower than the work, records are dropped and counted: see [History.Dropped].
//
// A process that is killed loses the records of the tasks that ended since the last write:
// those of the last [Interval] and of the write itself, or all that wait if the store was
// away, but no more than [Config.Buffer]. The tasks themselves are not affected.
//
// A record holds no payload, metadata or result. It has the text of the error of a run,
// as the dead letter and the log of the task do: what generated code and this module
// quote of a payload hides the secrets in it; what a handler quotes is kept as it is.
package history
