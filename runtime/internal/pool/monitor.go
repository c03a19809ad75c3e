package pool

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A monitor is the one mutex of a run, with the workers that wait for tasks under it,
// the timer that makes them look again, and what waits for the unlock: log records, and
// calls to listeners.
//
// It is locked for some tens of nanoseconds a task, and never across a call to a queue,
// a handler, a logger or a listener.
//
// A method or function whose name ends with Locked must be called with it locked, also
// one of a type that knows no monitor, such as limiter.
type monitor struct {
	sync.Mutex
	tasks   sync.Cond // workers wait for tasks
	workers int       // how many there are
	parked  int       // those that wait
	timer   *time.Timer
	timerAt time.Time // when it is to fire; zero: not set
	stopped bool      // the run ends: nothing more begins
	records []record
	told    []func()

	log func() *slog.Logger
	// onParkLocked is called before a worker waits, and onTimerLocked when the timer has
	// fired.
	onParkLocked, onTimerLocked func()
}

// init makes the monitor ready for the workers of a run, in place because it holds a
// mutex.
func (m *monitor) init(workers int, log func() *slog.Logger, onParkLocked, onTimerLocked func()) {
	m.tasks.L = &m.Mutex
	m.workers, m.log, m.onParkLocked, m.onTimerLocked = workers, log, onParkLocked, onTimerLocked
}

// logger is where the run logs.
func (m *monitor) logger() *slog.Logger { return m.log() }

// freeLocked is how many workers wait for tasks.
func (m *monitor) freeLocked() int { return m.parked }

// idleLocked reports whether all workers do.
func (m *monitor) idleLocked() bool { return m.parked == m.workers }

// stoppedLocked reports whether the run ends.
func (m *monitor) stoppedLocked() bool { return m.stopped }

// parkLocked makes a worker wait until it is woken.
func (m *monitor) parkLocked() {
	m.parked++
	m.onParkLocked()
	m.tasks.Wait()
	m.parked--
}

// wakeLocked makes up to n parked workers look for tasks.
func (m *monitor) wakeLocked(n int) {
	for range min(n, m.parked) {
		m.tasks.Signal()
	}
}

func (m *monitor) wakeAllLocked() { m.tasks.Broadcast() }

// lookAgainLocked makes parked workers and fetchers look again after d. 0: another
// event will wake them.
func (m *monitor) lookAgainLocked(d time.Duration) {
	at := time.Now().Add(d)
	if d <= 0 || m.stopped || (!m.timerAt.IsZero() && !at.Before(m.timerAt)) {
		return
	}
	m.timerAt = at
	if m.timer == nil {
		m.timer = time.AfterFunc(d, m.fire)
		return
	}
	m.timer.Reset(d)
}

// fire is the timer's goroutine.
func (m *monitor) fire() {
	m.Lock()
	defer m.Unlock()
	m.timerAt = time.Time{}
	m.onTimerLocked()
	m.wakeAllLocked()
}

// stopLocked ends all waiting: the woken workers see that the run ends.
func (m *monitor) stopLocked() {
	m.stopped = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.wakeAllLocked()
}

// A record is a log record that waits for the unlock.
type record struct {
	level slog.Level
	text  string
	attrs []slog.Attr
}

// logLocked logs once unlockAndLog has unlocked the mutex: a log handler may be slow.
func (m *monitor) logLocked(level slog.Level, text string, attrs ...slog.Attr) {
	m.records = append(m.records, record{level, text, attrs})
}

// tellLocked calls a listener once unlockAndLog has unlocked the mutex.
func (m *monitor) tellLocked(call func()) { m.told = append(m.told, call) }

func (m *monitor) unlockAndLog() {
	records, told := m.records, m.told
	m.records, m.told = nil, nil
	m.Unlock()
	for _, r := range records {
		m.logger().LogAttrs(context.Background(), r.level, r.text, r.attrs...)
	}
	for _, call := range told {
		call()
	}
}
