package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A payment prints as a generated task does.
type payment struct {
	Order string     `json:"order"`
	Card  string     `json:"card" task:"secret"`
	PIN   int64      `json:"api.pin" task:"secret"`
	Born  time.Time  `json:"born" task:"secret"`
	To    []receiver `json:"to"`
}

func (p payment) LogValue() slog.Value          { return runtime.Redact(p) }
func (p payment) Format(f fmt.State, verb rune) { generated.Format(f, verb, p) }

type receiver struct {
	Name string `json:"name"`
	IBAN iban   `json:"iban" task:"secret"`
}

// An iban quotes what it cannot read.
type iban string

func (i *iban) UnmarshalText(text []byte) error {
	if *i = iban(text); strings.HasPrefix(string(text), "bad") {
		return fmt.Errorf("no IBAN: %s", text)
	}
	return nil
}

// A receipt is the result of a payment, and as secret.
type receipt struct {
	Card string `json:"card" task:"secret"`
}

const queue, lanes = "payments", "payment-lanes"

func payments() *runtime.Spec[payment] {
	return &runtime.Spec[payment]{
		Type: "pay", Aliases: []string{"old-pay"}, Queue: queue, Timeout: time.Minute,
		Secrets:   []string{"/card", "/api.pin", "/born", "/to/*/iban"},
		UniqueKey: func(p *payment) string { return runtime.KeyOf(p.Order) },
		Schema: `{"type":"object","properties":{
			"order":{"type":"string"},"card":{"type":"string","maxLength":30},"api.pin":{"type":"integer"},"born":{"type":"string","format":"date-time"},
			"to":{"type":["array","null"],"items":{"type":"object","properties":{"name":{"type":"string"},"iban":{"type":"string","pattern":"^canary"}},"required":["name"]}}},
			"additionalProperties":false}`,
	}
}

func ordered() *runtime.Spec[payment] {
	spec := payments()
	spec.Type, spec.Aliases, spec.Queue = "pay-in-order", nil, lanes
	spec.GroupKey = func(p *payment) string { return p.Order }
	return spec
}

var born = time.Date(1971, 2, 3, 0, 0, 0, 0, time.UTC)

func paymentOf(order string) payment {
	return payment{
		Order: order, Card: secrets[0], PIN: 815162342918273, Born: born,
		To: []receiver{{"ann", iban(secrets[2])}, {"bob", iban(secrets[2] + "2")}},
	}
}

// misfits are payloads of old: they do not decode, or only a part of them does.
var misfits = map[string]string{
	"number": fmt.Sprintf(`{"order":"x","card":%s}`, secrets[1]),
	"object": fmt.Sprintf(`{"card":{"number":%q}}`, secrets[0]),
	"text":   fmt.Sprintf(`{"api.pin":%q}`, secrets[0]),
	"time":   fmt.Sprintf(`{"born":%q}`, secrets[3]),
	"list":   fmt.Sprintf(`{"to":%q}`, secrets[2]),
	"own":    fmt.Sprintf(`{"to":[{"iban":"bad %s"}]}`, secrets[2]),
	"whole":  fmt.Sprintf(`%q`, secrets[0]),
	"twice":  fmt.Sprintf(`{"card":%q,"CARD":%s,"card":[%q]}`, secrets[0], secrets[1], secrets[2]),
}

// A walk sends the canaries through one world.
type walk struct {
	*testing.T
	world
	*lookout
	ctx       context.Context
	encrypted bool
	ring      *encrypt.KeyRing
	m         *runtime.Manager
	router    *runtime.Router
	log       *slog.Logger
	failing   bool // the handler fails

	mu   sync.Mutex
	paid map[string]payment // what the handler got, by order
}

func TestSecretsAreNowhereTheyMayNotBe(t *testing.T) {
	for name, build := range worlds {
		for _, encrypted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, encrypted %t", name, encrypted), func(t *testing.T) {
				w := newWalk(t, build(t), encrypted)
				w.work()
				w.readLetters()
				w.edit()
				w.schedule()
				w.lookAround()
				w.process()
				w.lookAround()
				w.judge(t, encrypted, w.lies != nil)
			})
		}
	}
}

func newWalk(t *testing.T, in world, encrypted bool) *walk {
	w := &walk{T: t, world: in, lookout: newLookout(), encrypted: encrypted, failing: true, paid: make(map[string]payment)}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	w.ctx = ctx
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	w.log = slog.New(slog.NewMultiHandler(slog.NewTextHandler(w, all), slog.NewJSONHandler(w, all)))

	var cfg runtime.ManagerConfig
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
	case w.failing && strings.HasPrefix(p.Order, "panic"):
		panic(fmt.Sprintf("no way to pay %v", p))
	case w.failing && strings.HasPrefix(p.Order, "again") && info.Attempt == 1:
		return receipt{}, runtime.RetryAfter(0, fmt.Errorf("not yet: %v", p))
	case w.failing && !strings.HasPrefix(p.Order, "good"):
		return receipt{}, runtime.Skip(fmt.Errorf("no answer for %+v of %v", p, info.Task))
	}
	return receipt{p.Card}, nil
}

func (w *walk) drain() {
	w.Helper()
	pool, err := runtime.NewPool(w.m, w.router, runtime.PoolConfig{Name: "walker", Results: w.results, Logger: w.log})
	require.NoError(w, err)
	_, err = pool.Drain(w.ctx)
	require.NoError(w, err)
}

// enqueue sends a payment, and payloads of old by the manager as they are.
func (w *walk) enqueue(spec *runtime.Spec[payment], order string) string {
	w.Helper()
	p, retries := paymentOf(order), 0
	if order == "again" {
		retries = 1
	}
	done, err := runtime.Enqueue(w.ctx, w.m, spec, &p, runtime.WithMaxRetries(retries), runtime.WithMetadata("order", order))
	require.NoError(w, err)
	return done.ID
}

func (w *walk) work() {
	good := w.enqueue(payments(), "good")
	for _, order := range []string{"again", "panic", "edited", "kept"} {
		w.enqueue(payments(), order)
	}
	w.enqueue(ordered(), "lane")
	old := 0
	for name, payload := range misfits {
		_, err := w.m.Enqueue(w.ctx, []*runtime.Task{{ID: "old-" + name, Type: []string{"pay", "old-pay"}[old%2], Queue: queue, Payload: []byte(payload)}})
		require.NoError(w, err)
		old++
	}
	_, err := runtime.Enqueue(w.ctx, w.m, payments(), &payment{Order: "early", Born: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), Card: secrets[0]})
	require.Error(w, err)
	w.look(errorText, err.Error())
	_, err = w.m.Enqueue(w.ctx, []*runtime.Task{{Type: "pay", Queue: queue, Payload: []byte(secrets[0] + " is no JSON")}})
	require.Error(w, err)
	w.look(errorText, err.Error())
	if w.lies != nil {
		w.look(rest, w.lies())
	}

	w.drain()
	for _, order := range []string{"good", "again", "panic", "edited", "kept", "lane"} {
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

func (w *walk) box(name string) *dlq.Box {
	w.Helper()
	box, err := dlq.Open(w.m, name, dlq.Config{Router: w.router, Provider: w.provider})
	require.NoError(w, err)
	return box
}

func (w *walk) readLetters() {
	w.lookAt(w.box(queue), 4+len(misfits))
	w.lookAt(w.box(lanes), 1)
	page, _, err := w.box(queue).List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	for _, l := range page {
		_, err := w.results.Await(w.ctx, l.ID)
		require.ErrorIs(w, err, runtime.ErrTaskFailed)
		w.look(errorText, err.Error())
	}
}

// lookAt reads a box in all ways.
func (w *walk) lookAt(box *dlq.Box, want int) {
	w.Helper()
	page, _, err := box.List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	require.Len(w, page, want)
	groups, err := box.Groups(w.ctx, dlq.Filter{})
	require.NoError(w, err)
	w.look(letters, fmt.Sprintf("%+v %+v", page, groups))
	for _, l := range page {
		shown, err := box.Show(w.ctx, l.ID)
		require.NoError(w, err)
		text, err := json.Marshal(shown)
		require.NoError(w, err)
		w.look(letters, string(text)+fmt.Sprintf("%+v", shown))
		w.log.Info("a letter", "letter", shown)
	}
	var out bytes.Buffer
	_, err = box.Export(w.ctx, dlq.Filter{}, &out)
	require.NoError(w, err)
	w.look(export, out.String())
	for _, secret := range secrets {
		for _, f := range []dlq.Filter{{Text: secret}, {Reason: secret}, {Text: secret[:len(secret)-2]}} {
			found, _, err := box.List(w.ctx, f, "", 100)
			require.NoError(w, err)
			require.Empty(w, found, "a search for %q finds who has it", f)
		}
	}
}

func (w *walk) letterOf(order string) dlq.Letter {
	w.Helper()
	page, _, err := w.box(queue).List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	for _, l := range page {
		if l.Metadata["order"] == order {
			return l
		}
	}
	w.Fatalf("there is no letter of the order %s", order)
	return dlq.Letter{}
}

func (w *walk) edit() {
	l, box := w.letterOf("edited"), w.box(queue)
	if w.encrypted {
		err := box.RedriveEdited(w.ctx, l.ID, []byte(fmt.Sprintf(`{"card":%q}`, secrets[0])))
		require.ErrorIs(w, err, runtime.ErrUnsupported)
		w.look(edits, err.Error())
		return
	}
	shown := string(l.Payload)
	for _, bad := range []string{
		fmt.Sprintf(`{"card":%s}`, secrets[1]), fmt.Sprintf(`{"card":"%[1]s%[1]s%[1]s"}`, secrets[0]), fmt.Sprintf(`{"born":%q}`, secrets[3]),
		fmt.Sprintf(`{"card":%s}`, secrets[0]), fmt.Sprintf(`{"to":[{"iban":"no %s"}]}`, secrets[2]), fmt.Sprintf(`{"to":{%q:1}}`, secrets[2]),
		fmt.Sprintf(`{"to":[{"iban":{%q:1}}]}`, secrets[2]), fmt.Sprintf(`{"card":{%q:"••••"}}`, secrets[0]),
		strings.Replace(shown, `"ann"`, `"bob"`, 1), strings.Replace(shown, `"card"`, `"kard"`, 1), `{"to":[{"name":"cy","iban":"••••"}]}`,
	} {
		err := box.RedriveEdited(w.ctx, l.ID, []byte(bad))
		require.ErrorIs(w, err, dlq.ErrInvalidPayload, bad)
		w.look(edits, err.Error())
	}
	for _, misfit := range []string{"old-object", "old-own", "old-time", "old-number"} {
		bad, err := box.Show(w.ctx, misfit)
		require.NoError(w, err)
		if err := box.RedriveEdited(w.ctx, misfit, bad.Payload); err != nil {
			w.look(edits, err.Error())
		}
	}
	// Ann is taken out of the list.
	var v map[string]any
	require.NoError(w, json.Unmarshal(l.Payload, &v))
	v["to"] = v["to"].([]any)[1:]
	v["order"] = "good, edited"
	edited, err := json.Marshal(v)
	require.NoError(w, err)
	require.NoError(w, box.RedriveEdited(w.ctx, l.ID, edited))
	w.drain()
	got := w.paid["good, edited"]
	require.Equal(w, secrets[0], got.Card)
	require.Equal(w, []receiver{{"bob", iban(secrets[2] + "2")}}, got.To, "each secret stays with whom it belongs to")
}

func (w *walk) schedule() {
	s := schedule.New(w.jobs, w.m, schedule.Config{Logger: w.log})
	declared := []schedule.Declaration{schedule.Recurring(schedule.Every(time.Hour), schedule.AllowOverlap, payments())}
	changes, err := schedule.Declare(w.ctx, s, "canary", declared)
	require.NoError(w, err)
	p := paymentOf("good, first")
	id, err := schedule.Add(w.ctx, s, schedule.At(time.Now().Add(-time.Second)), payments(), &p)
	require.NoError(w, err)
	p.Order = "good, scheduled"
	require.NoError(w, schedule.ModifyPayload(w.ctx, s, id, payments(), &p))
	require.NoError(w, schedule.ModifyPayload(w.ctx, s, changes.Added[0], payments(), &p))
	_, err = schedule.Declare(w.ctx, s, "canary", declared)
	require.NoError(w, err)
	require.NoError(w, schedule.ModifyPayload(w.ctx, s, changes.Added[0], payments(), &p))
	w.lookAtJobs(s)

	fired, err := s.FireDue(w.ctx)
	require.NoError(w, err)
	require.Equal(w, 1, fired)
	w.drain()
	require.Equal(w, paymentOf("").Card, w.paid["good, scheduled"].Card)
	ran, err := s.RunNow(w.ctx, id)
	require.NoError(w, err)
	w.drain()
	w.resultOf(ran)
	// One that fails, and one whose queue is not there.
	p.Order = "kept by its job"
	_, err = schedule.Add(w.ctx, s, schedule.At(time.Now().Add(-time.Second)), payments(), &p)
	require.NoError(w, err)
	task, err := runtime.NewTask(payments(), &p, w.m.Now(), runtime.WithQueue("nowhere"))
	require.NoError(w, err)
	_, err = s.Schedule(w.ctx, schedule.Job{When: schedule.In(time.Hour), Task: task})
	require.Error(w, err)
	w.look(errorText, err.Error())
	fired, err = s.FireDue(w.ctx)
	require.NoError(w, err)
	require.Equal(w, 1, fired)
	w.drain()
	w.lookAtJobs(s)
}

func (w *walk) lookAtJobs(s *schedule.Service) {
	w.Helper()
	page, _, err := s.List(w.ctx, schedule.Filter{}, "", 100)
	require.NoError(w, err)
	for _, st := range page {
		require.Contains(w, string(st.Task.Payload), "order", "whoever has the ring reads it")
		w.log.Info("a job", "status", st, "job", st.Job, "pointer", &st, "task", st.Task)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			for _, v := range []any{st, &st, st.Job, st.Task, *st.Task} {
				w.look(jobPrints, fmt.Sprintf(verb, v))
			}
		}
		w.look(jobError, st.Error+st.Last.Error)
		w.look(progress, fmt.Sprintf("%+v", st.Last.Progress))
		e, err := w.jobs.Get(w.ctx, st.ID)
		require.NoError(w, err)
		w.look(jobPrints, fmt.Sprintf("%v %+v", e, *e))
		w.log.Info("an entry", "entry", e)
		w.look(jobAtRest, string(e.Task.Payload))
	}
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
			}
		}
	}
	if w.lies != nil {
		w.look(rest, w.lies())
	}
}

// counted tells of the tasks that are put into a store.
type counted struct {
	dlq.TaskStore
	put chan int
}

func (c *counted) Put(ctx context.Context, tasks []*runtime.Task) error {
	err := c.TaskStore.Put(ctx, tasks)
	if err == nil {
		c.put <- len(tasks)
	}
	return err
}

// process has a processor take what is dead, tell of it by webhook and by log, and
// reads it where it lies then.
func (w *walk) process() {
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.look(webhook, fmt.Sprint(r.URL, r.Header, string(body)))
	}))
	defer hook.Close()
	client := hook.Client()
	defer client.CloseIdleConnections()
	post := &dlq.Webhook{URL: hook.URL, Client: client}
	tell := dlq.NotifierFunc(func(ctx context.Context, n dlq.Notice) error {
		w.look(webhook, n.Text())
		return errors.Join(dlq.Log(w.log).Notify(ctx, n), post.Notify(ctx, n))
	})

	left, _, err := w.box(queue).List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(w, m.Open(w.ctx, w.provider, runtime.QueueConfig{Name: queue + "-dlq"}))
	defer func() { require.NoError(w, m.Close()) }()
	store := &counted{w.letters, make(chan int, 100)}
	p, err := dlq.NewProcessor(m, queue+"-dlq", dlq.ProcessorConfig{Store: store, Notifier: tell, Logger: w.log})
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(w.ctx)
	over := make(chan error, 1)
	go func() { over <- p.Run(ctx) }()
	for n := 0; n < len(left); {
		select {
		case put := <-store.put:
			n += put
		case <-w.ctx.Done():
			w.Fatalf("%d of %d letters were stored", n, len(left))
		}
	}
	cancel()
	require.NoError(w, <-over)

	kept := dlq.OpenStore(w.m, w.letters, dlq.Config{Router: w.router})
	w.lookAt(kept, len(left))
	w.failing = false
	done, err := kept.Redrive(w.ctx, dlq.Redrive{IDs: []string{w.stored(kept, "kept")}})
	require.NoError(w, err)
	require.Equal(w, 1, done.Moved)
	delete(w.paid, "kept")
	w.drain()
	require.Equal(w, paymentOf("kept").To, w.paid["kept"].To, "a redriven task is read")
}

func (w *walk) stored(box *dlq.Box, order string) string {
	w.Helper()
	page, _, err := box.List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	for _, l := range page {
		if l.Metadata["order"] == order {
			return l.ID
		}
	}
	w.Fatalf("the store has no letter of the order %s", order)
	return ""
}
