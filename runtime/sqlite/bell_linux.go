package sqlite

import (
	"os"
	"syscall"
	"time"
)

// A bell rings when any process writes to the log of the file, by inotify, which costs
// nothing while nobody writes. It rings before the commit is visible, because the write
// to the disk comes in between. One goroutine at a time uses it.
type bell struct {
	f   *os.File
	fd  int
	buf [4096]byte
}

// newBell returns nil if the system refuses one: a user has 128 of them by default.
func newBell(path string) *bell {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	// Writers change the log with a write call, but not the shared memory.
	if _, err := syscall.InotifyAddWatch(fd, path+"-wal", syscall.IN_MODIFY); err != nil {
		_ = syscall.Close(fd)
		return nil
	}
	return &bell{f: os.NewFile(uintptr(fd), "inotify"), fd: fd}
}

// wait returns when the bell rings or has rung since the last check, when d is over, or
// after stop.
func (b *bell) wait(d time.Duration, stopped <-chan struct{}) (rang bool) {
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

// rang reports whether the bell has rung since the last check.
func (b *bell) rang() bool {
	// Events that do not fit are left for the next read. Their content does not matter:
	// only the log is watched.
	n, err := syscall.Read(b.fd, b.buf[:])
	return err == nil && n > 0
}

// stop ends a wait, once stopped is closed. It may be called concurrently with wait.
func (b *bell) stop() { _ = b.f.SetReadDeadline(time.Now()) }

func (b *bell) close() error { return b.f.Close() }
