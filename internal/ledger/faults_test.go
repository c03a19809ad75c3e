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
	// drained is how long the workers may get nothing done, without faults, while
	// something is left.
	drained = time.Minute
	// stopped is how long a process may take to end in good order.
	stopped = time.Minute
)

// A slot is where one process runs after the other, each with a way to the broker of
// its own.
type slot struct {
	role string
	ways []*faultproxy.Proxy // to the targets of the broker
	cmd  *exec.Cmd
	in   io.Closer
	errs *strings.Builder
	over chan error // the end of the process
	life int
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
		for _, target := range r.broker.targets {
			p, err := faultproxy.Listen(target)
			if err != nil {
				return nil, err
			}
			defer p.Close()
			s.ways = append(s.ways, p)
		}
		if err := r.start(s); err != nil {
			return nil, err
		}
	}
	if err := r.atWork(ctx); err != nil {
		return nil, err
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
	return append(r.found, Audit(entries, tasks.TypeDoomed, Terms{
		ConfirmsAcks: can.ConfirmsAcks, Copies: !can.RefusesIDs, Resends: strings.HasPrefix(c.Provider, "redis") || c.Provider == "nats", Faults: r.faults,
	})...), nil
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
	if len(s.ways) > 0 {
		var proxies []string
		for _, p := range s.ways {
			proxies = append(proxies, p.Addr())
		}
		o.Address = r.broker.through(proxies)
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
		// One that was started just now may not hear signals yet, and has done nothing.
		if status, _ := s.cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil && !(status.Signaled() && status.Signal() == syscall.SIGTERM) {
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

// some are enough lines for a reader.
func some(lines []string) string { return strings.Join(lines[:min(len(lines), 10)], "; ") }

func tail(s string) string { return s[max(len(s)-4000, 0):] }

// harmAll does one fault after the other until the time is over.
func (r *chaos) harmAll(ctx context.Context) error {
	for end := time.Now().Add(r.For); time.Now().Before(end); {
		if err := r.wait(ctx, 100*time.Millisecond, time.Second); err != nil {
			return err
		}
		h := r.draw()
		f := Fault{Name: h.name, Begin: time.Now(), Network: h.network, Process: h.process}
		heal, err := h.do(r.rng)
		if err == nil && h.hold > 0 {
			err = r.wait(ctx, h.hold/10, h.hold)
		}
		if err == nil && h.drains {
			err = r.drains(ctx, h.name, f.Begin)
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

// atWork waits until every process enqueues or runs something.
func (r *chaos) atWork(ctx context.Context) error {
	for end := time.Now().Add(2 * stopped); ; {
		entries, err := Read(r.books())
		if err != nil {
			return err
		}
		heard := make(map[string]bool)
		for _, e := range entries {
			heard[e.From] = true
		}
		if len(heard) == len(r.slots) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("ledger: of %d processes %d did something within %s", len(r.slots), len(heard), 2*stopped)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// drains waits until all that was on the queues when a fault began has been handed out,
// while the fault goes on.
func (r *chaos) drains(ctx context.Context, fault string, by time.Time) error {
	for end := time.Now().Add(stopped); ; {
		entries, err := Read(r.books())
		if err != nil {
			return err
		}
		left := Untouched(entries, by)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			r.report("%s at %s: %d tasks that were on the queues have not begun after %s: %s", fault, clock(by), len(left), stopped, some(left))
			return nil
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
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
		{name: name("kill"), process: true, do: func(*rand.Rand) (func() error, error) { s.kill(); return healed, r.start(s) }},
		{name: name("stop and start"), do: func(*rand.Rand) (func() error, error) { r.stop(s); return healed, r.start(s) }},
		// Longer than its leases last.
		{name: name("freeze"), process: true, hold: 2 * lease, do: func(*rand.Rand) (func() error, error) {
			return func() error { return s.cmd.Process.Signal(syscall.SIGCONT) }, s.cmd.Process.Signal(syscall.SIGSTOP)
		}},
	}
	if len(s.ways) > 0 {
		each := func(do func(p *faultproxy.Proxy)) func() {
			return func() {
				for _, p := range s.ways {
					do(p)
				}
			}
		}
		link := func(what string, hold time.Duration, do func(rng *rand.Rand) func(p *faultproxy.Proxy)) harm {
			return harm{name: name(what), network: true, hold: hold, do: func(rng *rand.Rand) (func() error, error) {
				each(do(rng))()
				return func() error { each(func(p *faultproxy.Proxy) { p.Heal(); p.Delay(0); p.Rate(0) })(); return nil }, nil
			}}
		}
		all = append(
			all,
			link("cut off", 2*lease, func(*rand.Rand) func(*faultproxy.Proxy) { return (*faultproxy.Proxy).Cut }),
			link("swallow the replies to", 2*time.Second, func(*rand.Rand) func(*faultproxy.Proxy) { return (*faultproxy.Proxy).Mute }),
			link("swallow everything of", 2*lease, func(*rand.Rand) func(*faultproxy.Proxy) { return (*faultproxy.Proxy).Swallow }),
			link("sever in a request of", time.Second, func(rng *rand.Rand) func(*faultproxy.Proxy) {
				n := 1 + rng.IntN(20_000)
				return func(p *faultproxy.Proxy) { p.Sever(n) }
			}),
			link("slow down", lease, func(rng *rand.Rand) func(*faultproxy.Proxy) {
				rtt := time.Duration(50+rng.IntN(300)) * time.Millisecond
				return func(p *faultproxy.Proxy) { p.Delay(rtt) }
			}),
			link("narrow the way of", 2*lease, func(rng *rand.Rand) func(*faultproxy.Proxy) {
				rate := 10_000 << rng.IntN(6) // up to 320 kB a second, of what tasks of up to 100 kB take
				return func(p *faultproxy.Proxy) { p.Rate(rate) }
			}),
		)
	}
	all = append(all, r.broker.harms...)
	return all[r.rng.IntN(len(all))]
}
