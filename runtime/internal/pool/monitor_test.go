package pool

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// newMonitor returns a monitor that counts how often its timer has fired.
func newMonitor(log slog.Handler) (m *monitor, fired *int) {
	m, fired = new(monitor), new(int)
	m.init(5, func() *slog.Logger { return slog.New(log) }, func() {}, func() { *fired++ })
	return m, fired
}

func TestTheSoonestLookCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, fired := newMonitor(slog.DiscardHandler)
		count := func() int {
			m.Lock()
			defer m.Unlock()
			return *fired
		}
		m.Lock()
		m.lookAgainLocked(0)
		m.lookAgainLocked(time.Hour)
		m.lookAgainLocked(time.Second)
		m.lookAgainLocked(time.Minute)
		m.Unlock()
		pass(time.Second)
		assert.Equal(t, 1, count())
		pass(2 * time.Hour)
		assert.Equal(t, 1, count(), "who looks says when to look again")
		m.Lock()
		m.lookAgainLocked(time.Second)
		m.stopLocked()
		m.lookAgainLocked(time.Second)
		m.Unlock()
		pass(time.Hour)
		assert.Equal(t, 1, count())
	})
}

func TestParkedWorkersAreWokenOneByOneAndAllAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newMonitor(slog.DiscardHandler)
		woken := 0
		for range 5 {
			go func() {
				m.Lock()
				defer m.Unlock()
				m.parkLocked()
				woken++
			}()
		}
		do := func(f func()) (parked, awake int) {
			synctest.Wait()
			m.Lock()
			f()
			m.Unlock()
			synctest.Wait()
			m.Lock()
			defer m.Unlock()
			return m.parked, woken
		}
		parked, awake := do(func() { m.wakeLocked(2) })
		assert.Equal(t, []int{3, 2}, []int{parked, awake})
		parked, awake = do(m.stopLocked)
		assert.Equal(t, []int{0, 5}, []int{parked, awake})
	})
}

func TestRecordsAreLoggedWithoutTheMutex(t *testing.T) {
	tap := new(logTap)
	unlocked := 0
	m := new(monitor)
	m.init(5, func() *slog.Logger {
		if m.TryLock() {
			unlocked++
			m.Unlock()
		}
		return slog.New(tap)
	}, nil, nil)
	m.Lock()
	m.logLocked(slog.LevelWarn, "one")
	m.logLocked(slog.LevelWarn, "two")
	m.unlockAndLog()
	m.Lock()
	m.unlockAndLog()
	assert.Equal(t, []string{"WARN one", "WARN two"}, tap.lines)
	assert.Equal(t, 2, unlocked)
}
