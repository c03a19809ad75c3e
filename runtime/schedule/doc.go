// Package schedule schedules jobs: tasks that are enqueued at a time, after a delay, or
// repeatedly by a cron expression or an interval.
//
// Jobs live in a [Store] (in memory, in SQLite, in Redis) until they have ended, and
// survive restarts with it. Any number of processes may run a [Service] on one store:
// there is no leader. Each service claims due jobs in batches under a lease, enqueues
// their tasks and records when they are due next. If a service is killed in between,
// another one takes over its batch and enqueues the same tasks under the same IDs,
// which are derived from the job and the time of the firing. The queue refuses the
// tasks that it still has, and, where it keeps unique keys for a time
// (Capabilities.DedupWindow), those that were completed meanwhile. On other queues, and
// for jobs whose unique key ends with their task (SkipOverlap, or a key of their own),
// a kill at that moment may run a firing twice, unless a worker that uses [Track] has
// recorded it. No firing is lost, and none is early.
//
// Jobs in annotations are declared by [Declare], which generated code calls. A declared
// job is identified by the type of its task and its name, and has an owner. It therefore
// follows a package that moves, and a task that is renamed with an alias.
//
// [Track] makes workers record the outcomes of a job's tasks, for takeovers after a kill
// and for Status.
//
// [OnQueue] is a Scheduler without a store, for delays that are left to the broker.
package schedule
