package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// frozenCases: law 15 when connections die silently.
func frozenCases() []testCase {
	frozen := func(name string, run func(w *env), more ...requirement) testCase {
		return testCase{law: DrainsInTrouble, name: name, requires: append([]requirement{swallowing}, more...), real: true, run: run}
	}
	return []testCase{
		frozen("each call returns when its context ends, even if the backend does not answer", frozenCalls),
		frozen("a Dequeue that is cancelled while the backend does not answer loses no task", frozenDequeue),
		frozen("tasks are handed out soon after connections have died silently", frozenWaiter),
		frozen("a pool keeps working after connections have died silently", frozenPool),
		frozen("Close returns even if the backend does not answer", frozenClose),
	}
}

const (
	// frozenLimit is the time of a call while the backend does not answer.
	frozenLimit = 400 * time.Millisecond
	// frozenSlack is how much later it may return: much less than the timeouts of
	// connections, and enough for a busy machine.
	frozenSlack = 4 * time.Second
	// frozenSoon is how long work may take to continue once new connections can be
	// made: some seconds, and the delay of a busy machine.
	frozenSoon = 20 * time.Second
)

// swallow makes the path to the backend drop everything, until restore is called.
func (w *env) swallow() (restore func()) {
	w.Helper()
	restore = sync.OnceFunc(w.h.Swallow(w, w.addr))
	w.Cleanup(restore)
	return restore
}

// A frozenCall is a call while the backend does not answer.
type frozenCall struct {
	name string
	do   func(ctx context.Context) error
}

// frozenLeases is how many deliveries frozenOperations settles and extends, each by one
// kind of call: a provider may settle a delivery once at a time.
const frozenLeases = 4

// frozenOperations are the calls of a queue.
func frozenOperations(w *env, q driver.Queue, ds []*driver.Delivery) []frozenCall {
	settle := func(do func(context.Context, []*driver.Delivery) error) func(context.Context) error {
		next := ds[0]
		ds = ds[1:]
		return func(ctx context.Context) error {
			d := *next
			task := *d.Task
			d.Task = &task
			return do(ctx, one(&d))
		}
	}
	calls := []frozenCall{
		{"Dequeue", func(ctx context.Context) error {
			got, err := q.Dequeue(ctx, 10, long)
			if err == nil && len(got) == 0 {
				return errors.New("no error and no task")
			}
			return err
		}},
		{"Complete", settle(q.Complete)},
		{"Release", settle(q.Release)},
		{"DeadLetter", settle(q.DeadLetter)},
		{"Stats", func(ctx context.Context) error { _, err := q.Stats(ctx); return err }},
		{"Open", func(ctx context.Context) error {
			_, err := w.main.Open(ctx, w.withDefaults(runtime.QueueConfig{Name: "another"}))
			return err
		}},
	}
	has := q.Capabilities()
	if has.FreeLeases { // other leases hold as long as the connection does, and ask nothing
		calls = append(calls, frozenCall{"Extend", settle(func(ctx context.Context, ds []*driver.Delivery) error { return q.Extend(ctx, ds, long) })})
	}
	more := func(caps bool, name string, do func(ctx context.Context) error) {
		if caps {
			calls = append(calls, frozenCall{name, do})
		}
	}
	more(has.Browse, "Browse", func(ctx context.Context) error {
		_, _, err := q.(driver.Browser).Browse(ctx, driver.Ready, "", 10)
		return err
	})
	more(has.Cancel, "Cancel", func(ctx context.Context) error {
		_, err := q.(driver.Canceller).Cancel(ctx, []string{"nobody"})
		return err
	})
	more(has.Reschedule, "Reschedule", func(ctx context.Context) error {
		return q.(driver.Rescheduler).Reschedule(ctx, "nobody", time.Now())
	})
	more(has.Purge, "Purge", func(ctx context.Context) error { _, err := q.(driver.Purger).Purge(ctx); return err })
	more(has.Pause, "Pause", func(ctx context.Context) error { return q.(driver.Pauser).Pause(ctx, time.Time{}) })
	more(has.Pause, "Resume", func(ctx context.Context) error { return q.(driver.Pauser).Resume(ctx) })
	more(has.Redrive, "Redrive", func(ctx context.Context) error {
		_, err := q.(driver.Redriver).Redrive(ctx, nil)
		return err
	})
	more(has.Discard, "Discard", func(ctx context.Context) error {
		_, err := q.(driver.Discarder).Discard(ctx, []string{"nobody"})
		return err
	})
	return calls
}

// frozenCalls makes each call twice while the backend does not answer: with a context
// that has a deadline, and with one that is cancelled.
func frozenCalls(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, frozenLeases)
	ds := w.take(q, frozenLeases, long)
	batches := [2][]*runtime.Task{w.tasks(q, 3), w.tasks(q, 3)}
	calls := frozenOperations(w, q, ds)
	for _, ts := range batches {
		calls = append(calls, frozenCall{"Enqueue", func(ctx context.Context) error {
			_, err := q.Enqueue(ctx, ts)
			for i := range ts {
				for _, known := range []error{runtime.ErrDuplicate, runtime.ErrQueueFull, runtime.ErrInvalidTask, runtime.ErrUnsupported} {
					if errors.Is(runtime.ErrorAt(err, i), known) {
						return nil // reported below: the fate of the task is unknown
					}
				}
			}
			return err
		}})
	}
	restore := w.swallow()
	complaints := make(chan string, 2*len(calls))
	var all sync.WaitGroup
	for i := range 2 * len(calls) {
		all.Go(func() {
			c, byHand := calls[i/2], i%2 == 1
			if c.name == "Enqueue" && byHand {
				return // each batch is sent once
			}
			ctx, cancel := context.WithTimeout(w.ctx, frozenLimit)
			if byHand || c.name == "Enqueue" && i == 2*len(calls)-2 {
				cancel()
				ctx, cancel = context.WithCancel(w.ctx)
				time.AfterFunc(frozenLimit, cancel)
			}
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- c.do(ctx) }()
			select {
			case err := <-done:
				switch {
				case err == nil:
					complaints <- fmt.Sprintf("%s says that it is done, or that it is known what became of it", c.name)
				case !known(err):
					complaints <- fmt.Sprintf("%s does not say that its outcome is unknown: %v", c.name, err)
				}
			case <-time.After(frozenLimit + w.scaled(frozenSlack)):
				complaints <- fmt.Sprintf("%s goes on %s after its context has ended", c.name, w.scaled(frozenSlack))
			}
		})
	}
	all.Wait()
	close(complaints)
	var said []string
	for c := range complaints {
		said = append(said, c)
	}
	slices.Sort(said)
	w.check(len(said) == 0, "while nobody answered: %v", said)
	restore()
	// The doubtful tasks may be enqueued again, and nothing is lost.
	w.eventually(func() bool {
		p, ok := q.(driver.Pauser)
		if !ok || !q.Capabilities().Pause {
			return true
		}
		return w.try(p.Resume) == nil
	}, "the queue is resumed")
	want := slices.Concat(batches[0], batches[1])
	w.enqueueRepeatedly(q, want)
	came := w.drainExpected(q, ids(want)...)
	w.once(came, func(id string) bool { return !q.Capabilities().RefusesIDs }, "enqueued again when it was in doubt")
}

// frozenDequeue cancels a Dequeue that gets no answer. Its handle works afterwards, and
// so does that of another process.
func frozenDequeue(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.leaseReady(q, 1) // connections are there
	want := ids(w.put(q, 5))
	restore := w.swallow()
	ctx, cancel := context.WithTimeout(w.ctx, frozenLimit)
	defer cancel()
	ds, err := q.Dequeue(ctx, 5, w.lease())
	w.check(len(ds) > 0 || err != nil, "a Dequeue that had no answer brought nothing, and no error")
	restore()
	// Tasks that the provider had already received are delivered again when their leases
	// end.
	w.drainExpected(q, want...)
}

// frozenWaiter has a worker wait while its connections die, and tasks come: one that is
// ready at once, and one that is due later.
func frozenWaiter(w *env) {
	// A broker that holds a Dequeue itself may answer it on a dead connection.
	lease := max(w.scaled(6*time.Second), w.lease())
	cfg := runtime.QueueConfig{Visibility: lease}
	q := w.open(cfg)
	got := make(chan string, 100)
	ctx, cancel := context.WithCancel(w.ctx)
	var worker sync.WaitGroup
	worker.Go(func() {
		for ctx.Err() == nil {
			ds, err := q.Dequeue(ctx, 10, lease)
			for _, d := range ds {
				got <- d.Task.ID
			}
			if err != nil {
				<-time.After(minPoll)
			}
		}
	})
	w.Cleanup(func() {
		cancel()
		worker.Wait()
	})
	hears := func(id, what string) {
		w.Helper()
		limit := time.After(w.scaled(frozenSoon))
		for {
			select {
			case came := <-got:
				if came == id {
					return
				}
			case <-limit:
				w.Fatalf("%s was not handed out %s after new connections could be made", what, w.scaled(frozenSoon))
			}
		}
	}
	first := w.put(q, 1)
	hears(first[0].ID, "a task before all")
	<-time.After(w.quietWait()) // the worker waits
	later := w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Second) })
	restore := w.swallow()
	<-time.After(w.quietWait()) // no request is in progress that could still get a task
	restore()                   // the connections that were there stay dead
	other := w.openOther(cfg)
	now := w.tasks(other, 1)
	w.enqueueRepeatedly(other, now)
	hears(now[0].ID, "a task")
	hears(later[0].ID, "a delayed task")
}

// frozenPool lets a pool work while its connections die. It keeps the leases of running
// tasks over other connections. If a lease ends with its connection, the broker hands
// the task out again once it has noticed, and the task may run again.
func frozenPool(w *env) {
	lease := max(w.scaled(6*time.Second), 2*w.lease())
	var (
		mu  sync.Mutex
		ran = make(map[int]int)
	)
	begun := make(chan struct{}, 100)
	finish, let := w.latch()
	m := w.begin(w.main, runtime.QueueConfig{Name: "q", Visibility: lease}, func(_ context.Context, l letter) error {
		begun <- struct{}{}
		<-finish
		mu.Lock()
		defer mu.Unlock()
		ran[l.N]++
		return nil
	})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, 3)
	for range 3 {
		<-begun
	}
	w.swallow()()
	w.advance(lease + lease/2) // longer than a lease that is not extended
	let()
	w.reaches(q, "when all is done", 0, 0, 0, 0)
	mu.Lock()
	defer mu.Unlock()
	w.check(len(ran) == 3, "%d of 3 tasks were done", len(ran))
	for n, times := range ran {
		w.check(times == 1 || !q.Capabilities().FreeLeases, "task %d was run %d times: its lease could be kept over a new connection", n, times)
	}
}

func frozenClose(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(w.ctx, w.patience)
		defer cancel()
		for ctx.Err() == nil {
			if _, err := q.Dequeue(ctx, 1, long); errors.Is(err, runtime.ErrClosed) {
				return
			}
			<-time.After(minPoll)
		}
	}()
	<-time.After(w.quietWait())
	w.swallow()
	closed := make(chan error, 1)
	go func() { closed <- w.main.Close() }()
	for what, c := range map[string]<-chan struct{}{"Dequeue": ended, "Close": wait(closed)} {
		select {
		case <-c:
		case <-time.After(w.scaled(frozenSoon)):
			w.Fatalf("%s goes on %s after Close was called", what, w.scaled(frozenSoon))
		}
	}
}

func wait(c <-chan error) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		<-c
		close(done)
	}()
	return done
}
