// Package sqlite keeps queues in one SQLite file: the durable default that
// needs no server. It is pure Go (no cgo).
//
//	p, err := sqlite.Open("tasks.db")
//	…
//	defer p.Close()
//	err = manager.Open(ctx, p, tasks.Queues()...)
//
// # Durability
//
// The file is in WAL mode. By default (Full) every commit is on the disk before
// its caller is answered: a task whose Enqueue returned nil survives kill -9, a
// crash of the system and a power cut, as far as the disk does what it says. With
// Normal a power cut may undo the last commits; the death of a process does not.
// Neither can damage the file.
//
// # Speed
//
// One goroutine writes. What is asked for while a commit is under way, by any
// number of goroutines, goes into the next transaction, and consumers that wait
// are served in the transaction that brings their tasks: 1 fsync for all of
// them. So many callers with small batches are as fast as one with large ones,
// and a single caller that waits for each task gets one task for each fsync.
//
// The cost in statements, beside about eight and 1 fsync for each transaction:
// Enqueue takes 2 a task (4 with a unique key), Dequeue 3 for a whole batch of one
// level and 4 a task on a fifo queue, Complete 2 a task, Extend 1, Release 4,
// DeadLetter 5. Every 4 MB of log cost 2 more fsyncs.
// Stats reads counters that the transactions keep, and costs the same with ten
// tasks as with ten million.
//
// # Several processes
//
// Any number of processes on one machine may open the file. They wait for one
// another's transactions at random times of at most 1 ms, and a process that
// has work all the time leaves a gap for the others. A waiting Dequeue in one
// process is woken within a few milliseconds by what another commits: on Linux the
// system (inotify) tells of each write, and for 100 ms after one the process looks at a
// counter in shared memory every 2 ms or more often. So a process that waits on an idle
// file costs 0.1 % of a core. On other systems, and where a user has no inotify instances
// left, it looks every 20 ms while nobody writes. All of them must agree on the time,
// which processes of one machine do. One process alone is faster than two.
//
// The file must be on a local disk. Network file systems (NFS, SMB, and most
// volumes that several machines mount) do not lock as SQLite needs it, and damage
// the file. Never delete or copy the -wal and -shm files beside an open file; to
// make a copy use VACUUM INTO or SQLite's backup.
//
// # A full disk
//
// Where the disk is full, or the file must not grow, Enqueue answers ErrQueueFull at
// once. What is there is worked off: 512 KB of the file are kept in reserve for it, and
// no tasks are taken in before they are back. A disk on which not even the log can be
// written stops everything until there is room.
//
// Where the file, or its -wal or -shm file, was deleted, moved or replaced while it is
// open, every call fails with [ErrFileGone] in place of writing what nobody will read.
// It is looked at before each transaction and before its callers are answered, which
// costs about 10 µs each time, and four times a second while somebody waits. A pool
// logs the error and tries again: it goes on when the file is back. After a file was
// replaced, close the provider and open it anew.
//
// # In the application's own transaction
//
// [Provider.SQLTx] enqueues in a transaction of database/sql, whatever its driver for
// SQLite, and [Provider.Tx] in the one that is open on a connection of
// zombiezen.com/go/sqlite: the tasks are there if and only if the application's own rows
// are. Generated code takes both where it takes an Enqueuer, by way of Manager.Through:
//
//	_, err = tasks.EnqueueMail(ctx, manager.Through(p.SQLTx(tx)), mail)
//
// All tables have the prefix taskgen_, and neither
// user_version nor application_id of the file is touched. While such a
// transaction is open the queues wait; after 10 s they fail with [ErrBusy].
//
// # What to know
//
//   - The file is created with the permissions that the umask leaves: payloads
//     may be secret, so create the folder for yourself alone, or encrypt them.
//   - A payload takes up to 448 MB, but rows of more than a few megabytes make
//     every other write wait. Batches are spread over transactions of 4 MB.
//   - The log grows to about 4 MB before it is copied back, more while somebody
//     reads for long; afterwards at most 64 MB are kept.
//   - Space of tasks that are done is used again. In a file that Open created,
//     what is free beyond 16 MB goes back to the system, 4 MB a second while there
//     is work. In a file that was there before it stays; VACUUM gives it back.
//   - Unique keys with a window, and results, stay until their time is over and
//     are removed in passing, when there is other work.
//   - A row that cannot be decoded goes to the dead letter queue, as a task of
//     type taskgen.undecodable with the bytes of the row, in base64, for its
//     payload.
//   - The schema is migrated when the file is opened. A version that is older
//     than the file refuses it with [ErrNewerFile].
package sqlite
