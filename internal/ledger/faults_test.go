//go:build unix

package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/ledger/tasks"
	"github.com/taskgen/taskgen/runtime"
)

// A Chaos is one run: what to do, and for how long.
type Chaos struct {
	Provider string
	Seed     uint64
	For      time.Duration // how long faults happen
	Dir      string        // of the books, and of what the broker keeps
	Logf     func(format string, args ...any)
}

const (
	producers = 2
	slots     = producers + 3 // processes at a time
	// lease is the visibility of the queues that package tasks declares.
	lease = 3 * time.Second
	// drained is how long the workers may take, without faults, for what the faults
	// left behind.
	drained = 3 * time.Minute
	// stopped is how long a process may take to end in good order.
	stopped = time.Minute
)

// A slot is where one process runs after the other, each with a way to the broker of
// its own.
type slot struct {
	role  string
	proxy *faultproxy.Proxy // nil: there is no way to be disturbed
	cmd   *exec.Cmd
	in    io.Closer
	errs  *strings.Builder
	over  chan error // the end of the process
	life  int
}

type chaos struct {
	Chaos
	rng    *rand.Rand
	broker *broker
	prefix string
	slots  []*slot
	faults []Fault
	found  []string
}

// Run does it, and returns all that should not be, one line each. The error says why it
// could not be done.
func (c Chaos) Run(ctx context.Context) (found []string, err error) {
	r := &chaos{Chaos: c, rng: rand.New(rand.NewPCG(c.Seed, 0)), prefix: fmt.Sprintf("ledger%d", time.Now().UnixNano())}
	if err := os.MkdirAll(r.books(), 0o700); err != nil {
		return nil, err
	}
	if r.broker, err = startBroker(c.Provider, c.Dir); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.broker.close()) }()
	defer r.killAll()
	for i := range slots {
		s := &slot{role: Worker}
		if i < producers {
			s.role = Producer
		}
		r.slots = append(r.slots, s)
		if r.broker.target != "" {
			if s.proxy, err = faultproxy.Listen(r.broker.target); err != nil {
				return nil, err
			}
			defer s.proxy.Close()
		}
		if err := r.start(s); err != nil {
			return nil, err
		}
	}
	if err := r.harmAll(ctx); err != nil {
		return nil, err
	}
	if err := r.settle(ctx); err != nil {
		return nil, err
	}
	entries, err := Read(r.books())
	if err != nil {
		return nil, err
	}
	r.Logf("%s", Summary(entries))
	can, err := r.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if entries, err = Read(r.books()); err != nil { // with what inspect has found
		return nil, err
	}
	return append(r.found, Audit(entries, tasks.TypeDoomed, Terms{ConfirmsAcks: can.ConfirmsAcks, Copies: !can.RefusesIDs, Faults: r.faults})...), nil
}

func (r *chaos) books() string { return filepath.Join(r.Dir, "books") }

func (r *chaos) report(format string, args ...any) {
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

// start starts the next process of a slot.
func (r *chaos) start(s *slot) error {
	s.life++
	o := Orders{Role: s.role, Provider: r.Provider, Address: r.broker.address, Prefix: r.prefix, Books: r.books(), Seed: r.rng.Uint64()}
	for i, other := range r.slots {
		if other == s {
			o.Name = fmt.Sprintf("%s%d-%d", s.role, i, s.life)
		}
	}
	if s.proxy != nil {
		o.Address = r.broker.through(s.proxy.Addr())
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.cmd, s.errs, s.over = exec.Command(self), &strings.Builder{}, make(chan error, 1)
	s.cmd.Env = append(os.Environ(), ordersEnv+"="+string(text))
	s.cmd.Stderr = s.errs
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, over chan error) { over <- cmd.Wait() }(s.cmd, s.over)
	return nil
}

// kill ends the process of a slot without a word.
func (s *slot) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.over
	s.cmd = nil
	_ = s.in.Close()
}

func (r *chaos) killAll() {
	for _, s := range r.slots {
		s.kill()
	}
}

// stop ends the process of a slot in good order, which it must do in time.
func (r *chaos) stop(s *slot) {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.over:
		if err != nil {
			r.report("a %s that was told to stop ended with %v: %s", s.role, err, tail(s.errs.String()))
		}
		s.cmd = nil
		_ = s.in.Close()
	case <-time.After(stopped):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // it says where its goroutines are
		select {
		case <-s.over:
			s.over <- nil
		case <-time.After(5 * time.Second):
		}
		r.report("a %s that was told to stop was there after %s: %s", s.role, stopped, tail(s.errs.String()))
		s.kill()
	}
}

func tail(s string) string { return s[max(len(s)-4000, 0):] }

// harmAll does one fault after the other until the time is over.
func (r *chaos) harmAll(ctx context.Context) error {
	for end := time.Now().Add(r.For); time.Now().Before(end); {
		if err := r.wait(ctx, 100*time.Millisecond, time.Second); err != nil {
			return err
		}
		h := r.draw()
		f := Fault{Name: h.name, Begin: time.Now(), Network: h.network}
		heal, err := h.do(r.rng)
		if err == nil && h.hold > 0 {
			err = r.wait(ctx, h.hold/10, h.hold)
		}
		if heal != nil {
			err = errors.Join(err, heal())
		}
		if err != nil {
			return fmt.Errorf("ledger: %s: %w", h.name, err)
		}
		f.End = time.Now()
		r.faults = append(r.faults, f)
		r.Logf("%s %s for %s", clock(f.Begin), h.name, f.End.Sub(f.Begin).Round(time.Millisecond))
	}
	return nil
}

// wait waits for a time between two.
func (r *chaos) wait(ctx context.Context, least, most time.Duration) error {
	return pause(ctx, least+time.Duration(r.rng.Int64N(int64(max(most-least, 1)))))
}

// draw chooses a fault: of a process, of its way to the broker, or of the broker.
func (r *chaos) draw() harm {
	i := r.rng.IntN(len(r.slots))
	s := r.slots[i]
	name := func(what string) string { return fmt.Sprintf("%s %s %d", what, s.role, i) }
	all := []harm{
		{name("kill"), false, 0, func(*rand.Rand) (func() error, error) { s.kill(); return healed, r.start(s) }},
		{name("stop and start"), false, 0, func(*rand.Rand) (func() error, error) { r.stop(s); return healed, r.start(s) }},
		// Longer than its leases last.
		{name("freeze"), false, 2 * lease, func(*rand.Rand) (func() error, error) {
			return func() error { return s.cmd.Process.Signal(syscall.SIGCONT) }, s.cmd.Process.Signal(syscall.SIGSTOP)
		}},
	}
	if p := s.proxy; p != nil {
		link := func(what string, hold time.Duration, do func(rng *rand.Rand)) harm {
			return harm{name(what), true, hold, func(rng *rand.Rand) (func() error, error) {
				do(rng)
				return func() error { p.Heal(); p.Delay(0); return nil }, nil
			}}
		}
		all = append(
			all,
			link("cut off", 2*lease, func(*rand.Rand) { p.Cut() }),
			link("sever in a request of", time.Second, func(rng *rand.Rand) { p.Sever(1 + rng.IntN(20_000)) }),
			link("swallow the replies to", 2*time.Second, func(*rand.Rand) { p.Mute() }),
			link("swallow everything of", 2*lease, func(*rand.Rand) { p.Swallow() }),
			link("slow down", 3*time.Second, func(rng *rand.Rand) { p.Delay(time.Duration(50+rng.IntN(300)) * time.Millisecond) }),
		)
	}
	all = append(all, r.broker.harms...)
	return all[r.rng.IntN(len(all))]
}

// settle has the producers stop, waits until all that was accepted is done or dead, and
// has the workers stop.
func (r *chaos) settle(ctx context.Context) error {
	for _, s := range r.slots[:producers] {
		r.stop(s)
	}
	for end := time.Now().Add(drained); ; {
		entries, err := Read(r.books())
		if err != nil {
			return err
		}
		left := Pending(entries)
		if left == 0 {
			break
		}
		if time.Now().After(end) {
			r.report("%d tasks were neither done nor dead %s after the last fault", left, drained)
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	if err := r.empty(ctx); err != nil {
		return err
	}
	for _, s := range r.slots[producers:] {
		r.stop(s)
	}
	return nil
}

// empty waits until the queues count nothing: neither what nobody accepted and the
// broker has, nor a lease.
func (r *chaos) empty(ctx context.Context) error {
	p, err := Open(ctx, r.Provider, r.broker.address, r.prefix)
	if err != nil {
		return err
	}
	defer p.Close()
	for _, cfg := range tasks.Queues() {
		q, err := p.Open(ctx, cfg)
		if err != nil {
			return err
		}
		for end := time.Now().Add(drained); ; {
			n, err := q.Stats(ctx)
			if err == nil && n.Ready+n.Scheduled+n.Leased == 0 {
				break
			}
			if time.Now().After(end) {
				r.report("queue %s counts %d ready, %d scheduled and %d leased in the end (%v)", cfg.Name, n.Ready, n.Scheduled, n.Leased, err)
				break
			}
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// inspect writes down what is on the dead letter queues, and looks whether a unique key
// is still taken.
func (r *chaos) inspect(ctx context.Context) (can runtime.Capabilities, err error) {
	book, err := OpenBook(r.books(), "inspector")
	if err != nil {
		return can, err
	}
	defer book.Close()
	p, err := Open(ctx, r.Provider, r.broker.address, r.prefix)
	if err != nil {
		return can, err
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, tasks.Queues()...); err != nil {
		return can, err
	}
	defer m.Close()
	for _, cfg := range tasks.Queues() {
		q, err := m.Queue(cfg.Name)
		if err != nil {
			return can, err
		}
		dead, err := p.Open(ctx, runtime.QueueConfig{Name: q.Config().DLQ, Type: deadType(r.Provider, cfg)})
		if err != nil {
			return can, err
		}
		for {
			brief, cancel := context.WithTimeout(ctx, 3*time.Second)
			ds, err := dead.Dequeue(brief, 100, time.Minute)
			cancel()
			if errors.Is(err, runtime.ErrNoTasks) {
				break
			}
			if err != nil {
				return can, err
			}
			for _, d := range ds {
				book.Write(Entry{What: Dead, ID: d.Task.ID, Text: d.Task.Metadata[runtime.MetaFailureReason]})
			}
			if err := dead.Complete(ctx, ds); err != nil {
				return can, err
			}
		}
		can = q.Capabilities()
	}
	return can, r.keysAreFree(ctx, m)
}

// deadType is the type of a dead letter queue. On SQS that of a fifo queue is one.
func deadType(provider string, cfg runtime.QueueConfig) runtime.QueueType {
	if provider == "sqs" && cfg.Type == runtime.FIFO {
		return runtime.FIFO
	}
	return runtime.Standard
}

func (r *chaos) keysAreFree(ctx context.Context, m *runtime.Manager) error {
	entries, err := Read(r.books())
	if err != nil {
		return err
	}
	tried := make(map[string]bool)
	for _, e := range entries {
		if e.Key == "" || tried[e.Key] {
			continue
		}
		tried[e.Key] = true
		got, err := tasks.EnqueueUnique(ctx, m, tasks.UniqueTask{Key: e.Key})
		if err != nil {
			return err
		}
		if got.Duplicate {
			r.report("the unique key %s is taken by %s, and the queue is empty", e.Key, got.ID)
		}
	}
	return nil
}
