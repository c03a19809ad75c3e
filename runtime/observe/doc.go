// Package observe is how metrics, traces, a history of tasks and the like see what a
// program's managers, pools and servers do: they are Listeners, named in ManagerConfig.Listeners of
// package runtime. A manager without listeners pays nothing for them.
//
// A task's way through the functions of a Listener is EnqueueStart and EnqueueEnd in the
// process that enqueues it, then Dequeued, RunStart, RunEnd and Settled in the one that
// works it off. LeaseLost may come at any time after Dequeued, in place of Settled. A
// task that is retried begins again with Dequeued. A task that goes back to its queue
// before a handler began has neither RunStart nor RunEnd.
package observe
