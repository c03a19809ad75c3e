package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// A recordingNotifier is a notifier that remembers.
type recordingNotifier struct {
	mu      sync.Mutex
	fail    error
	notices []dlq.Notice
	at      []time.Time
}

func (n *recordingNotifier) Notify(_ context.Context, notice dlq.Notice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return n.fail
	}
	n.notices, n.at = append(n.notices, notice), append(n.at, time.Now())
	return nil
}

func (n *recordingNotifier) noticed() (total int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, notice := range n.notices {
		total += notice.Count
	}
	return total
}

// process opens the dead letter queue and runs a processor until stop.
func (d *env) process(p runtime.Provider, cfg dlq.ProcessorConfig) (stop func()) {
	d.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(d, m.Open(d.ctx, p, runtime.QueueConfig{Name: "q-dlq"}))
	pr, err := dlq.NewProcessor(m, "q-dlq", cfg)
	require.NoError(d, err)
	ctx, cancel := context.WithCancel(d.ctx)
	done := make(chan error, 1)
	go func() { done <- pr.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(d, <-done)
		require.NoError(d, m.Close())
	}
}

func TestProcessorStoresAndTellsOfABurstOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memory.New()
		d := newEnv(t, p, runtime.QueueConfig{})
		store, notifier := memory.NewLetters(), &recordingNotifier{}
		d.buryMails(20)
		began := time.Now()
		stop := d.process(p, dlq.ProcessorConfig{Store: store, Notifier: notifier, NotifyEvery: time.Minute})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Len(t, notifier.notices, 1, "one burst, one notice")
		n := notifier.notices[0]
		assert.Equal(t, "q-dlq", n.Queue)
		assert.Equal(t, 20, n.Count)
		require.Len(t, n.Groups, 2)
		assert.Equal(t, 13, n.Groups[0].Count)
		assert.NotContains(t, fmt.Sprint(n), "hush")

		box := dlq.OpenStore(d.m, store, dlq.Config{Router: mails()})
		page, _, err := box.List(d.ctx, dlq.Filter{Queue: "q"}, "", 50)
		require.NoError(t, err)
		assert.Len(t, page, 20)
		st, err := d.queue.Stats(d.ctx)
		require.NoError(t, err)
		assert.Zero(t, st.Dead, "they are off the queue")

		d.bury(func(int) error { return errors.New("x") }, mail("late"))
		time.Sleep(30 * time.Second)
		assert.Len(t, notifier.notices, 1, "not before its time")
		d.bury(func(int) error { return errors.New("x") }, mail("later"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, notifier.notices, 2)
		assert.Equal(t, 2, notifier.notices[1].Count)
		assert.GreaterOrEqual(t, notifier.at[1].Sub(notifier.at[0]), 58*time.Second)
		assert.Less(t, notifier.at[0].Sub(began), 5*time.Second)

		d.bury(func(int) error { return errors.New("x") }, mail("last"))
		synctest.Wait()
		stop()
		assert.Equal(t, 23, notifier.noticed(), "what is pending at the end is told")
	})
}

func TestProcessorTellsLaterWhatItCouldNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memory.New()
		d := newEnv(t, p, runtime.QueueConfig{})
		notifier := &recordingNotifier{fail: errors.New("nobody is there")}
		d.buryMails(3)
		stop := d.process(p, dlq.ProcessorConfig{Store: memory.NewLetters(), Notifier: notifier, NotifyEvery: 10 * time.Second})
		time.Sleep(5 * time.Second)
		notifier.mu.Lock()
		notifier.fail = nil
		notifier.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, notifier.notices, 1)
		assert.Equal(t, 3, notifier.notices[0].Count)
		assert.Len(t, notifier.notices[0].Groups, 2)
		stop()
	})
}

// broken is a store that fails.
type broken struct {
	dlq.TaskStore
	mu   sync.Mutex
	fail error
}

func (s *broken) Put(ctx context.Context, tasks []*runtime.Task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	return s.TaskStore.Put(ctx, tasks)
}

func TestProcessorKeepsOnTheQueueWhatItCannotStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memory.New()
		d := newEnv(t, p, runtime.QueueConfig{})
		store, notifier := &broken{TaskStore: memory.NewLetters(), fail: errDisk}, &recordingNotifier{}
		d.buryMails(5)
		stop := d.process(p, dlq.ProcessorConfig{Store: store, Notifier: notifier})
		time.Sleep(30 * time.Second)
		assert.Len(t, d.ids(dlq.Filter{}), 5, "they are where they were")
		assert.Zero(t, notifier.noticed())
		store.mu.Lock()
		store.fail = nil
		store.mu.Unlock()
		time.Sleep(30 * time.Second)
		stop()
		tasks, _, err := store.List(d.ctx, "", 10)
		require.NoError(t, err)
		assert.Len(t, tasks, 5)
		assert.Equal(t, 5, notifier.noticed())
		assert.Empty(t, d.ids(dlq.Filter{}))
	})
}

func TestProcessorNeedsAStoreAndAQueue(t *testing.T) {
	d := inMemory(t)
	_, err := dlq.NewProcessor(d.m, "q", dlq.ProcessorConfig{})
	assert.ErrorContains(t, err, "needs a store")
	_, err = dlq.NewProcessor(d.m, "nowhere", dlq.ProcessorConfig{Store: memory.NewLetters()})
	assert.ErrorIs(t, err, runtime.ErrUnknownQueue)
	_, err = dlq.NewProcessor(d.m, "q", dlq.ProcessorConfig{Store: memory.NewLetters(), NotifyEvery: -1})
	assert.Error(t, err)
	pr, err := dlq.NewProcessor(d.m, "q", dlq.ProcessorConfig{Store: memory.NewLetters()})
	require.NoError(t, err)
	require.NoError(t, d.m.Close())
	assert.ErrorIs(t, pr.Run(d.ctx), runtime.ErrClosed)
}

// counting says how many tasks a store has been given.
type counting struct {
	dlq.TaskStore
	n int
}

func (s *counting) Put(ctx context.Context, tasks []*runtime.Task) error {
	err := s.TaskStore.Put(ctx, tasks)
	if err == nil {
		s.n += len(tasks)
		fmt.Println(s.n)
	}
	return err
}

// processAll is a child process that stores dead tasks until it is killed.
func processAll(ctx context.Context, p runtime.Provider) error {
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "q-dlq", Visibility: time.Second}); err != nil {
		return err
	}
	pr, err := dlq.NewProcessor(m, "q-dlq", dlq.ProcessorConfig{Store: &counting{TaskStore: p.(*sqlite.Provider).Letters()}})
	if err != nil {
		return err
	}
	return pr.Run(ctx)
}

func TestProcessorThatIsKilledLosesNothing(t *testing.T) {
	at := "sqlite|" + filepath.Join(t.TempDir(), "tasks.db")
	p, err := openProvider(t.Context(), at)
	require.NoError(t, err)
	d := newEnv(t, p, runtime.QueueConfig{})
	const n = 2000
	buryMany(d, n)
	store := p.(*sqlite.Provider).Letters()
	places := func() (stored map[string]bool, dead int) {
		stored = make(map[string]bool)
		for cursor := ""; ; {
			tasks, next, err := store.List(d.ctx, cursor, 500)
			require.NoError(t, err)
			for _, task := range tasks {
				stored[task.ID] = true
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		st, err := d.queue.Stats(d.ctx)
		require.NoError(t, err)
		return stored, int(st.Dead)
	}
	for round := range 3 {
		said := killInTheMiddle(t, "process", at, 300)
		stored, dead := places()
		require.GreaterOrEqual(t, len(stored)+dead, n, "each is in one place at least")
		require.GreaterOrEqual(t, len(stored), said)
		t.Logf("kill %d: %d stored, %d on the queue", round+1, len(stored), dead)
	}
	stop := d.process(p, dlq.ProcessorConfig{Store: store})
	require.Eventually(t, func() bool { stored, dead := places(); return len(stored) == n && dead == 0 }, soon, 200*time.Millisecond)
	stop()
}

func TestBoxOfAStoreRedrivesEditsAndDiscards(t *testing.T) {
	p := memory.New()
	d := newEnv(t, p, runtime.QueueConfig{})
	store := memory.NewLetters()
	d.buryMails(20)
	stop := d.process(p, dlq.ProcessorConfig{Store: store})
	box := dlq.OpenStore(d.m, store, dlq.Config{Router: mails(), PageSize: 3})
	require.Eventually(t, func() bool {
		page, _, err := box.List(d.ctx, dlq.Filter{}, "", 50)
		return err == nil && len(page) == 20
	}, soon, time.Millisecond)
	stop()

	_, err := d.queue.Enqueue(d.ctx, []*runtime.Task{mail("m03")})
	require.NoError(t, err)
	done, err := box.Redrive(d.ctx, dlq.Redrive{Filter: dlq.Filter{Reason: "timeout"}})
	require.NoError(t, err)
	assert.Equal(t, 6, done.Moved)
	assert.ErrorIs(t, done.Kept["m03"], runtime.ErrDuplicate)
	require.NoError(t, box.RedriveEdited(d.ctx, "m01", []byte(`{"to":"new"}`)))
	n, err := box.DiscardMatching(d.ctx, dlq.Filter{})
	require.NoError(t, err)
	assert.Equal(t, 13, n)
	_, err = box.Show(d.ctx, "m03")
	assert.ErrorIs(t, err, runtime.ErrTaskNotFound)

	back := d.takeAll(8)
	assert.JSONEq(t, `{"to":"new"}`, string(back["m01"].Payload))
	assert.Equal(t, "00fe5a9d0b1c", back["m01"].Shape, "the payload has been checked against the type's schema")
	assert.Equal(t, "1", back["m00"].Metadata[driver.MetaRedriveCount])
	assert.Equal(t, "0123456789ab", back["m00"].Shape)
	assert.Equal(t, "q", back["m00"].Queue)

	lost := mail("lost")
	lost.Queue = "closed"
	require.NoError(t, store.Put(d.ctx, []*runtime.Task{lost}))
	done, err = box.Redrive(d.ctx, dlq.Redrive{})
	require.NoError(t, err)
	assert.ErrorIs(t, done.Kept["lost"], runtime.ErrUnknownQueue)
}
