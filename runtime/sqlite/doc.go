// Package sqlite keeps queues in one SQLite file: the durable default that
// needs no server. It is pure Go (no cgo).
//
//	p, err := sqlite.Open(ctx, "tasks.db")
//	…
//	defer p.Close()
//	err = manager.Open(ctx, p, tasks.Queues()...)
//
// # Durability
//
// The file is in WAL mode. By default (Full) every commit is on the disk before its
// caller gets the answer: a task whose Enqueue returned nil survives kill -9, a crash
// of the system and a power cut, if the disk works as it reports. With Normal a power
// cut may undo the last commits; the death of a process does not. Neither can damage
// the file.
//
// # Speed
//
// One goroutine writes. Requests that arrive during a commit, from any number of
// goroutines, go into the next transaction. Calls of Dequeue that wait are served in the
// transaction that brings their tasks. All of this takes 1 fsync, so that many callers
// with small batches are as fast as one with large ones. A single caller that waits for
// each task gets one task per fsync.
//
// The cost in statements, in addition to about eight and 1 fsync per transaction:
// Enqueue takes 2 per task (4 with a unique key), Dequeue 3 for a whole batch of one
// level and 4 per task on a fifo queue, Complete 2 per task, Extend 1, Release 4,
// DeadLetter 5. Every 4 MB of log cost 2 more fsyncs. Stats reads counters that the
// transactions maintain, and costs the same with ten tasks as with ten million.
//
// # Several processes
//
// Any number of processes on one machine may open the file. They wait for each other's
// transactions in random steps of at most 1 ms, and a process that always has work leaves
// a gap for the others. A commit in one process wakes a waiting Dequeue in another within
// a few milliseconds. On Linux the system (inotify) reports each write, and for 100 ms
// after one the process checks a counter in shared memory every 2 ms or more often. A
// process that waits on an idle file therefore costs 0.1 % of a core. On other systems,
// and where a user has no inotify instances left, it checks every 20 ms while nobody
// writes. All processes must agree on the time, as they do on one machine. One process is
// faster than two.
//
// The file must be on a local disk. Network file systems (NFS, SMB, and most volumes
// that several machines mount) do not provide the locks that SQLite needs, and damage
// the file. Never delete or copy the -wal and -shm files of an open file; to make a
// copy use VACUUM INTO or SQLite's backup.
//
// # A full disk
//
// If the disk is full, or the file must not grow, Enqueue returns ErrQueueFull at once.
// Existing tasks are still processed: 512 KB of the file are reserved for that, and no
// tasks are accepted until the reserve is restored. A disk on which not even the log can
// be written stops everything until there is space.
//
// If the file, or its -wal or -shm file, is deleted, moved or replaced while it is open,
// every call fails with [ErrFileGone] instead of writing data that nobody will read. The
// provider checks the file before each transaction and before its callers get their
// answers, which costs about 10 µs each time, and four times a second while a Dequeue
// waits. A pool logs the error and keeps trying until the file is back. After a file was
// replaced, close the provider and open it again.
//
// # In the application's own transaction
//
// [Provider.SQLTx] enqueues in a transaction of database/sql, with any driver for SQLite,
// and [Provider.Tx] in the open transaction of a connection of zombiezen.com/go/sqlite.
// The tasks are enqueued if and only if the application's own rows are committed.
// Generated code takes both as an Enqueuer, through Manager.Through:
//
//	_, err = tasks.EnqueueMail(ctx, manager.Through(p.SQLTx(tx)), mail)
//
// All tables have the prefix taskgen_, and user_version and application_id of the file
// stay unchanged. While such a transaction is open the queues wait; after 10 s they fail
// with [ErrBusy].
//
// # What to know
//
//   - The file is created with the permissions that the umask leaves: payloads may be
//     secret, so create a folder that only you can read, or encrypt them.
//   - A payload may have up to 448 MB, but rows of more than a few megabytes make every
//     other write wait. Batches are split into transactions of 4 MB.
//   - The log grows to about 4 MB before it is copied back, or more during a long read;
//     afterwards at most 64 MB are kept.
//   - Space of finished tasks is reused. In a file that Open created, free space beyond
//     16 MB goes back to the system, 4 MB per second while there is work. In a file that
//     existed before it stays; VACUUM releases it.
//   - Unique keys with a window, and results, are removed after they expire, together with
//     other work.
//   - Delete removes a queue in transactions of 1000 tasks. In other processes the calls
//     of a handle that was opened before return an error wrapping driver.ErrUnknownQueue then.
//   - A row that cannot be decoded goes to the dead letter queue, as a task of type
//     taskgen.undecodable whose payload is the bytes of the row in base64.
//   - The schema is migrated when the file is opened. A package version older than the
//     file refuses it with [ErrNewerFile].
package sqlite
