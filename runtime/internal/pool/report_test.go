package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// withDefaultLog has slog.Default write to what it returns, until the test ends.
func withDefaultLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var said bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
	return &said
}

func TestPoolWithoutALoggerSpeaksToTheDefaultOne(t *testing.T) {
	b := newPoolBench(t)
	b.handle(func(context.Context, *driver.Task) error { return errors.New("smtp: connection refused") })
	p, err := newPool(b.m, b.r, Config{})
	require.NoError(t, err)
	said := withDefaultLog(t) // after NewPool
	b.put("a")
	_, err = p.Drain(t.Context())
	require.NoError(t, err)
	assert.Contains(t, said.String(), `level=ERROR msg="task is dead" task.id=a task.type=job task.queue=q attempt=1 max_attempts=1`)
	assert.Contains(t, said.String(), `error="smtp: connection refused"`)

	said = withDefaultLog(t)
	p, err = newPool(b.m, b.r, Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	b.put("b")
	_, err = p.Drain(t.Context())
	require.NoError(t, err)
	assert.Empty(t, said.String())
}

func TestPoolTellsOfWhatItsQueueBuriesByItself(t *testing.T) {
	for _, drained := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newPoolBench(t)
			b.handle(noop)
			b.put("a")
			stand := &driver.Task{ID: "b", Type: driver.UndecodableType}
			driver.RecordDeath(stand, "q", time.Now(), errors.New("its row cannot be decoded"))
			b.q().broken = []*driver.Task{stand}
			p := b.pool(Config{})
			if drained {
				_, err := p.Drain(t.Context())
				require.NoError(t, err)
			} else {
				b.start(p)
				synctest.Wait()
				b.stop(p)
			}
			assert.Contains(t, b.log.lines, "ERROR task is dead: it cannot be decoded task=[id=b type=taskgen.undecodable queue=q] error=its row cannot be decoded")
		})
	}
}

func TestPoolSaysWhatItWorksOnAndWhenItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "r", Types: []string{"report"}})
		b.handle(func(context.Context, *driver.Task) error { time.Sleep(time.Second); return nil })
		b.r.Handle(Policy{Type: "report", Aliases: []string{"of old"}}, HandlerFunc(noop))
		p := b.pool(Config{Name: "mailer-1", Workers: 3, Queues: []Share{{Name: "q", Weight: 2}, {Name: "r"}}})
		b.start(p)
		b.put("a", "b")
		synctest.Wait()
		b.stop(p)
		require.NotEmpty(t, b.log.lines)
		first, last := b.log.lines[0], b.log.lines[len(b.log.lines)-1]
		assert.Contains(t, first, "INFO pool started worker=mailer-1 workers=3")
		assert.Contains(t, first, "queues=[q=[weight=2 types=[job]] r=[weight=1 types=[report]]]")
		assert.Equal(t, "INFO pool stopped worker=mailer-1 runs=2 duration=1s", last)
		assert.Equal(t, 1, b.log.count("pool started"))
		assert.Equal(t, 1, b.log.count("pool stopped"))
	})
}

func TestEachRunIsToldOfOnce(t *testing.T) {
	for name, c := range map[string]struct {
		result error
		says   string
	}{
		"done":    {nil, "DEBUG task completed task=[id=a type=job queue=q] attempt=1 max_attempts=3 duration=2s"},
		"snoozed": {Snooze(time.Minute), "DEBUG task snoozed task=[id=a type=job queue=q] attempt=1 max_attempts=3 delay=1m0s duration=2s"},
		"failed":  {RetryAfter(time.Minute, errors.New("x")), "WARN task failed, to be retried task=[id=a type=job queue=q] attempt=1 max_attempts=3 delay=1m0s duration=2s error=x"},
		"dead":    {Skip(errors.New("x")), "ERROR task is dead task=[id=a type=job queue=q] attempt=1 max_attempts=3 duration=2s error=x"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.handle(func(context.Context, *driver.Task) error { time.Sleep(2 * time.Second); return c.result })
				b.putTask(&driver.Task{ID: "a", MaxRetries: 2, Payload: []byte(`{"password":"hunter2"}`)})
				b.drain(Config{})
				assert.Equal(t, 1, b.log.count("id=a"), "%q", b.log.lines)
				assert.Equal(t, 1, b.log.count(c.says), "%q", b.log.lines)
				assert.Zero(t, b.log.count("hunter2"), "payloads are not logged")
			})
		})
	}
}

func TestUnknownTypeIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Unknown: driver.BuryUnknown})
		b.handle(noop)
		b.putTask(&driver.Task{ID: "a", Type: "other", MaxRetries: 5})
		b.drain(Config{})
		assert.Equal(t, 1, b.log.count(`ERROR task is dead task=[id=a type=other queue=q]`), "%q", b.log.lines)
		assert.Equal(t, 1, b.log.count(`unknown task type "other": no handler is registered for it`))
	})
}

func TestStackOfAPanicIsAnAttributeOfItsOwn(t *testing.T) {
	for name, wrap := range map[string]Middleware{
		"as it is": func(next Handler) Handler { return next },
		"wrapped": func(next Handler) Handler {
			return HandlerFunc(func(ctx context.Context, t *driver.Task) error {
				if err := next.Handle(ctx, t); err != nil {
					return fmt.Errorf("wrapped: %w", err)
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				var records recordTap
				b.r.Use(wrap)
				b.handle(func(context.Context, *driver.Task) error { panic("at the disco") })
				b.r.OnDead("job", func(context.Context, *driver.Task, error) error { panic("at the wake") })
				b.putTask(&driver.Task{ID: "a", MaxRetries: 1})
				p, err := newPool(b.m, b.r, Config{Logger: slog.New(&records)})
				require.NoError(t, err)
				b.start(p)
				pass(time.Hour)
				b.stop(p)

				var texts []string
				for _, r := range records.records {
					if r.Level < slog.LevelError {
						continue
					}
					texts = append(texts, r.Message)
					attrs := map[string]string{}
					r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.String(); return true })
					assert.Contains(t, attrs["error"], "at the ")
					assert.NotContains(t, attrs["error"]+r.Message, ".go:", "no stack")
					assert.Contains(t, attrs["stack"], "TestStackOfAPanicIsAnAttributeOfItsOwn")
				}
				assert.Equal(t, []string{"task panicked, to be retried", "task is dead", "the hook for dead tasks failed"}, texts)
				dead := b.q().dead[0]
				assert.True(t, strings.HasSuffix(dead.Metadata[driver.MetaFailureReason], "at the disco"))
				assert.Contains(t, dead.Metadata["stack_2"], "TestStackOfAPanicIsAnAttributeOfItsOwn")
			})
		})
	}
}

func TestLogHandlerSeesTheRunsContext(t *testing.T) {
	type key struct{}
	b := newPoolBench(t)
	b.handle(func(context.Context, *driver.Task) error { return errors.New("x") })
	b.put("a")
	var records recordTap
	p, err := newPool(b.m, b.r, Config{Logger: slog.New(&records)})
	require.NoError(t, err)
	_, err = p.Drain(context.WithValue(t.Context(), key{}, "here"))
	require.NoError(t, err)
	for i, ctx := range records.contexts {
		assert.Equal(t, "here", ctx.Value(key{}), records.records[i].Message)
		assert.NoError(t, ctx.Err(), "what logs may send")
		if info, ok := TaskFromContext(ctx); records.records[i].Message == "task is dead" && assert.True(t, ok) {
			assert.Equal(t, "a", info.ID)
		}
	}
	assert.Len(t, records.records, 3)
}

// recordTap keeps log records at level info and above.
type recordTap struct {
	mu       sync.Mutex
	records  []slog.Record
	contexts []context.Context
}

func (l *recordTap) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *recordTap) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *recordTap) WithGroup(string) slog.Handler                    { return l }
func (l *recordTap) Handle(ctx context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records, l.contexts = append(l.records, r.Clone()), append(l.contexts, ctx)
	return nil
}

func TestBurstOfFailuresIsCountedBeyondSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return errors.New("x") })
		b.r.Handle(Policy{Type: "rare", Queue: "q"}, HandlerFunc(func(context.Context, *driver.Task) error { return errors.New("x") }))
		p := b.pool(Config{})
		b.start(p)
		for i := range mostRecords + 700 {
			b.put(fmt.Sprint(i))
		}
		b.putTask(&driver.Task{ID: "rare", Type: "rare"})
		synctest.Wait()
		const dead = "ERROR task is dead task="
		assert.Equal(t, mostRecords, b.log.count(dead+"[id=")-b.log.count("type=rare"))
		assert.Equal(t, 1, b.log.count("type=rare"), "another type's are not hidden")
		pass(2 * time.Second)
		assert.Equal(t, 1, b.log.count("ERROR task is dead: and more, which are not logged one by one task=[type=job] count=700"), "told without another failure")

		b.put("later")
		synctest.Wait()
		assert.Equal(t, 1, b.log.count("id=later"))
		for i := range mostRecords + 9 {
			b.put(fmt.Sprint("again-", i))
		}
		synctest.Wait()
		b.stop(p)
		assert.Equal(t, 1, b.log.count("and more, which are not logged one by one task=[type=job] count=10"), "told when the pool stops")
		assert.Contains(t, b.log.lines[len(b.log.lines)-1], "pool stopped")
	})
}
