package sqlite

import (
	"os"
	"syscall"
	"time"
)

// A walNotifier reports when any process writes to the log of the file, by inotify, which
// costs nothing while nobody writes. It does so before the commit is visible, because the
// write to the disk comes in between. One goroutine at a time uses it.
type walNotifier struct {
	f   *os.File
	fd  int
	buf [4096]byte
}

// newWALNotifier returns nil if the system refuses one: a user has 128 of them by
// default.
func newWALNotifier(path string) *walNotifier {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	// Writers change the log with a write call, but not the shared memory.
	if _, err := syscall.InotifyAddWatch(fd, path+"-wal", syscall.IN_MODIFY); err != nil {
		_ = syscall.Close(fd)
		return nil
	}
	return &walNotifier{f: os.NewFile(uintptr(fd), "inotify"), fd: fd}
}

// wait returns when somebody writes or has written since the last check, when d is over,
// or after stop.
func (b *walNotifier) wait(d time.Duration, stopped <-chan struct{}) (written bool) {
	if b.f.SetReadDeadline(time.Now().Add(d)) != nil {
		return false
	}
	select {
	case <-stopped:
		return false
	default:
	}
	_, err := b.f.Read(b.buf[:])
	return err == nil
}

// written reports whether somebody has written since the last check.
func (b *walNotifier) written() bool {
	// Events that do not fit are left for the next read. Their content does not matter:
	// only the log is watched.
	n, err := syscall.Read(b.fd, b.buf[:])
	return err == nil && n > 0
}

// stop ends a wait, once stopped is closed. It may be called concurrently with wait.
func (b *walNotifier) stop() { _ = b.f.SetReadDeadline(time.Now()) }

func (b *walNotifier) close() error { return b.f.Close() }
