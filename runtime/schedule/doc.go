// Package schedule keeps jobs: tasks to be enqueued at a time, after a delay, or
// again and again by a cron expression.
//
// Jobs live in a [Store] (in memory, in SQLite, in Redis) until they have ended,
// and survive restarts with it. Any number of processes run a [Service] on one
// store: there is no leader. Each takes the jobs that are due in batches, under a
// lease that ends with it, enqueues their tasks and writes down when they are due
// next. A service that is killed on the way leaves its batch to another one,
// which enqueues the same tasks under the same IDs: they are told from the job
// and the time of the firing. The queue refuses those that it has, and, where it
// keeps unique keys for a time (Capabilities.DedupWindow), those that were
// completed meanwhile. On other queues, and for jobs whose unique key ends with
// their task (SkipOverlap, or a key of their own), a kill at that moment may run a
// firing twice, unless a worker that uses [Track] has said that it had it. None is
// lost, and none comes early.
//
// Jobs that stand in annotations are declared, by [Declare], which generated code
// calls. A declared job is known by the type of its task alone and has an owner: a
// package that moves, or a task that is renamed with an alias, takes its job along.
//
// [Track] has workers tell what became of a job's tasks, for that and for Status.
//
// [OnQueue] is a Scheduler without a store, for delays that are left to the
// broker.
package schedule
