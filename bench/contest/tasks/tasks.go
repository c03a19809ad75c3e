// Package tasks holds the task that every contest carries.
//
//taskgen:defaults timeout=1m
//taskgen:queue name=contest
package tasks

//go:generate go tool taskgen

// NoopTask asks for nothing. It is as large as a task with something to do.
//
//taskgen:task queue=contest
//taskgen:retry max=3
type NoopTask struct {
	// Due is when the task may be run, in Unix nanoseconds. It has the same number
	// of digits whenever that is.
	Due  int64  `json:"due"`
	Text string `json:"text"`
}
