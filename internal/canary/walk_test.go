package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tracing"
)

// A walk sends the canaries through one env.
type walk struct {
	*testing.T
	env
	*lookout
	ctx       context.Context
	encrypted bool
	ring      *encrypt.KeyRing
	m         *runtime.Manager
	router    *runtime.Router
	log       *slog.Logger
	failing   bool       // the handler fails
	attached  []attached // outlets, in their order
	rows      *rows      // what the fleet writes into its store
	fleet     *fleet.Fleet

	mu   sync.Mutex
	paid map[string]payment // what the handler got, by order
}

func TestSecretsAreNowhereTheyMayNotBe(t *testing.T) {
	all := maps.Clone(envs)
	all["nats"] = func(t *testing.T) env { return inMemory(open(t, "nats")) }
	for name, build := range all {
		for _, encrypted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, encrypted %t", name, encrypted), func(t *testing.T) {
				t.Parallel() // most of the time it waits for heartbeats
				w := newWalk(t, build(t), encrypted)
				w.work()
				w.cancel()
				w.readLetters()
				w.edit()
				w.schedule()
				w.lookAround()
				w.process()
				w.lookAround()
				w.lookAtOutlets()
				if w.lies == nil {
					w.judge(t, encrypted, rest)
				} else {
					w.judge(t, encrypted)
				}
			})
		}
	}
}

// Errors of brokers are observed as well. These two list nothing, and refuse unique keys: a
// part of the walk is enough.
func TestNothingObservedOnABrokerShowsASecret(t *testing.T) {
	for _, broker := range []string{"sqs", "rabbitmq"} {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, inMemory(open(t, broker)), false)
			w.work()
			w.cancel()
			w.lookAtOutlets()
			w.judge(t, false, deadMeta, letters, export, edits, webhook, jobPrints, jobError, progress, jobAtRest, deadAtRest, rest, payloadView)
		})
	}
}

// open opens a broker until the test ends.
func open(t *testing.T, broker string) runtime.Provider {
	t.Helper()
	p := brokers[broker](t)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func newWalk(t *testing.T, in env, encrypted bool) *walk {
	w := &walk{T: t, env: in, lookout: newLookout(), encrypted: encrypted, failing: true, paid: make(map[string]payment)}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	w.ctx = ctx
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	w.log = slog.New(tracing.NewLogHandler(slog.NewMultiHandler(slog.NewTextHandler(w, all), slog.NewJSONHandler(w, all))))

	w.attach()
	cfg := runtime.ManagerConfig{Listeners: w.listeners()}
	w.router = runtime.NewRouter()
	if encrypted {
		var err error
		w.ring, err = encrypt.NewKeyRing("k", map[string][]byte{"k": bytes.Repeat([]byte{7}, encrypt.KeySize)}, encrypt.RequireAll())
		require.NoError(t, err)
		cfg.Middleware = []runtime.EnqueueMiddleware{w.ring.Enqueue}
		w.router.Use(w.ring.Handle)
	}
	w.router.Use(schedule.Track(w.jobs, "walker", w.log))
	w.m = runtime.NewManager(cfg)
	require.NoError(t, w.m.Open(ctx, w.provider, runtime.QueueConfig{Name: queue}, runtime.QueueConfig{Name: lanes, Type: runtime.FIFO}))
	t.Cleanup(func() { require.NoError(t, w.m.Close()) })
	runtime.RegisterWithResult(w.router, payments(), w.pay)
	runtime.RegisterWithResult(w.router, ordered(), w.pay)
	require.NoError(t, w.router.Err())
	w.router.OnDead("pay", func(_ context.Context, dead *runtime.Task, cause error) error {
		w.log.Error("a payment is dead", "task", dead, "delivery", driver.Delivery{Task: dead}, "error", cause)
		return fmt.Errorf("hook of %v: %w", dead, cause)
	})
	return w
}

// pay is the handler. What it says of its payload it says in the ways that people do.
func (w *walk) pay(ctx context.Context, p payment) (receipt, error) {
	info, _ := runtime.TaskFromContext(ctx)
	w.log.Info("paying", "payment", p, "pointer", &p, "task", info.Task, "info", info, "text", fmt.Sprintf("%+v %#v %s %d", p, p, p, p))
	runtime.Progress(ctx, 1, 2, fmt.Sprint("half of ", p))
	w.mu.Lock()
	w.paid[p.Order] = p
	w.mu.Unlock()
	switch {
	case p.Order == "cancelled" || w.failing && p.Order == "slow":
		<-ctx.Done()
		return receipt{}, fmt.Errorf("gave up on %v: %w", p, context.Cause(ctx))
	case w.failing && p.Order == "panic":
		panic(fmt.Sprintf("no way to pay %v", p))
	case w.failing && p.Order == "panic with it":
		panic(&p)
	case w.failing && p.Order == "declined":
		return receipt{}, runtime.Skip(declined{p})
	case w.failing && strings.HasPrefix(p.Order, "again") && info.Attempt == 1:
		return receipt{}, runtime.RetryAfter(0, fmt.Errorf("not yet: %v", p))
	case w.failing && !strings.HasPrefix(p.Order, "good"):
		return receipt{}, runtime.Skip(fmt.Errorf("no answer for %+v of %v", p, info.Task))
	}
	return receipt{p.Card}, nil
}

func (w *walk) newPool() *runtime.Pool {
	w.Helper()
	pool, err := runtime.NewPool(w.m, w.router, runtime.PoolConfig{Name: "walker", Results: w.results, Logger: w.log})
	require.NoError(w, err)
	return pool
}

func (w *walk) drain() {
	w.Helper()
	_, err := w.newPool().Drain(w.ctx)
	require.NoError(w, err)
}

// drainUntil drains until a payment was made: a store that keeps times in milliseconds does
// not hand out a task in the one in which it became due.
func (w *walk) drainUntil(order string) {
	w.Helper()
	for w.paid[order].Card == "" {
		require.NoError(w, w.ctx.Err(), order)
		w.drain()
	}
	require.Equal(w, paymentOf(order).Card, w.paid[order].Card)
}

// fit is a spec as the queues of the walk take it.
func (w *walk) fit(spec *runtime.Spec[payment]) *runtime.Spec[payment] {
	w.Helper()
	q, err := w.m.Queue(spec.Queue)
	require.NoError(w, err)
	if q.Capabilities().DedupWindow == 0 {
		spec.UniqueKey = nil
	}
	return spec
}

// enqueue sends a payment, and payloads of old by the manager as they are.
func (w *walk) enqueue(spec *runtime.Spec[payment], order string) string {
	w.Helper()
	p, opts := paymentOf(order), []runtime.EnqueueOption{runtime.WithMaxRetries(0), runtime.WithMetadata("order", order)}
	switch order {
	case "again":
		opts = append(opts, runtime.WithMaxRetries(1))
	case "slow":
		opts = append(opts, runtime.WithTimeout(time.Millisecond))
	}
	done, err := runtime.Enqueue(w.ctx, w.m, spec, &p, opts...)
	require.NoError(w, err)
	return done.ID
}

func (w *walk) work() {
	good := w.enqueue(w.fit(payments()), "good")
	for _, order := range dying {
		w.enqueue(w.fit(payments()), order)
	}
	w.enqueue(w.fit(ordered()), "lane")
	old := 0
	for name, payload := range misfits {
		_, err := w.m.Enqueue(w.ctx, []*runtime.Task{{ID: "old-" + name, Type: []string{"pay", "old-pay"}[old%2], Queue: queue, Payload: []byte(payload)}})
		require.NoError(w, err)
		old++
	}
	_, err := runtime.Enqueue(w.ctx, w.m, w.fit(payments()), &payment{Order: "early", Born: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), Card: secrets[0]})
	require.Error(w, err)
	w.look(errorText, err.Error())
	invalid := paymentOf("invalid")
	_, err = runtime.Enqueue(w.ctx, w.m, w.fit(payments()), &invalid)
	require.ErrorIs(w, err, runtime.ErrInvalidTask)
	w.look(errorText, err.Error())
	plain, err := json.Marshal(paymentOf("good, twice"))
	require.NoError(w, err)
	twice := runtime.Task{ID: "twice", Type: "pay", Queue: queue, Payload: plain}
	again := twice
	_, err = w.m.Enqueue(w.ctx, []*runtime.Task{&twice, &again})
	require.ErrorIs(w, err, runtime.ErrDuplicate)
	w.look(errorText, err.Error())
	_, err = w.m.Enqueue(w.ctx, []*runtime.Task{{Type: "pay", Queue: queue, Payload: []byte(secrets[0] + " is no JSON")}})
	require.Error(w, err)
	w.look(errorText, err.Error())
	if w.lies != nil {
		w.look(rest, w.lies())
	}

	w.drain()
	for _, order := range slices.Concat(dying, []string{"good", "lane"}) {
		require.Equal(w, paymentOf(order).Card, w.paid[order].Card, "the handler is to read it")
		require.Equal(w, paymentOf(order).To, w.paid[order].To)
	}
	w.resultOf(good)
}

func (w *walk) resultOf(id string) {
	w.Helper()
	stored, err := w.results.Await(w.ctx, id)
	require.NoError(w, err)
	w.look(resultRest, string(stored))
	var from runtime.Results = w.results
	if w.encrypted {
		_, err := runtime.Await[payment, receipt](w.ctx, from, payments(), id)
		require.ErrorContains(w, err, "aes-gcm")
		w.look(errorText, err.Error())
		from = w.ring.Results(from)
	}
	got, err := runtime.Await[payment, receipt](w.ctx, from, payments(), id)
	require.NoError(w, err)
	require.Equal(w, secrets[0], got.Card)
	type other struct {
		Card time.Time `json:"card" task:"secret"`
	}
	_, err = runtime.Await[payment, other](w.ctx, from, payments(), id)
	require.Error(w, err)
	w.look(errorText, err.Error())
}

// lookAround reads all that lies anywhere.
func (w *walk) lookAround() {
	w.Helper()
	for _, name := range []string{queue, lanes} {
		q, err := w.m.Queue(name)
		require.NoError(w, err)
		for _, state := range []driver.State{driver.Ready, driver.Scheduled, driver.Leased, driver.Dead} {
			tasks, _, err := q.(driver.Browser).Browse(w.ctx, state, "", 100)
			if errors.Is(err, runtime.ErrUnsupported) {
				continue
			}
			require.NoError(w, err)
			for _, t := range tasks {
				w.look(deadMeta, fmt.Sprint(t.ID, t.Type, t.Queue, t.GroupKey, t.UniqueKey, t.Encoding, t.Metadata))
				w.look(deadAtRest, string(t.Payload))
				w.lookAtPayload(t)
			}
		}
	}
	if w.lies != nil {
		w.look(rest, w.lies())
	}
}
