package contest

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/taskgen/taskgen/bench/report"
	"github.com/taskgen/taskgen/internal/faultproxy"
)

// A Contest is what the program of a broker declares.
type Contest struct {
	// Broker is its name, and that of the file of results.
	Broker string
	// Start starts a broker that nobody else uses.
	Start func(ctx context.Context) (*Broker, error)
	// Contenders; the first is taskgen.
	Contenders []Contender
	// Missing says which peers could not be had, and why.
	Missing []string
	// Goals are judged by the medians of the whole run.
	Goals func(r *Result) []report.Goal
}

// A Broker is the running server.
type Broker struct {
	URL string
	// About is its version, and those of its settings that matter here, as it
	// tells them itself.
	About string
	// Clear removes every task, and what queues are made of where they are made
	// anew.
	Clear func(ctx context.Context) error
	// Counters, where there are any, grow with what the broker does: CPUMicros and
	// Requests.
	Counters func(ctx context.Context) (map[string]float64, error)
	// Memory, where it is known, is how many bytes the broker holds.
	Memory func(ctx context.Context) (float64, error)
	// Probe, where there is one, measures the way to the broker by its raw
	// protocol.
	Probe func(ctx context.Context, url string) (Probe, error)
	Stop  func() error
}

// Names of Counters.
const (
	CPUMicros = "cpu_us" // of the broker
	Requests  = "requests"
	// ClientMicros is the CPU time of the client's process, which is counted for
	// every broker: this one, or that of a [Process].
	ClientMicros = "client_cpu_us"
)

// A Probe is what the way to the broker does to the least that can be asked of
// it: it shows that a rate is not the proxy's.
type Probe struct {
	RoundTripMS float64 `json:"round_trip_ms"`         // of one request at a time, the median
	PerSecond   float64 `json:"pipelined_per_second"`  // of requests without an answer's worth of work
	InFlight    int     `json:"pipelined_in_flight"`   // at the same time
	Connections int     `json:"pipelined_connections"` // that they go over
}

func (b *Broker) counters(ctx context.Context) (map[string]float64, error) {
	if b.Counters == nil {
		return nil, nil
	}
	return b.Counters(ctx)
}

func (b *Broker) memory(ctx context.Context) (float64, error) {
	if b.Memory == nil {
		return 0, nil
	}
	return b.Memory(ctx)
}

// A link is a way to the broker: straight, or through a proxy that delays.
type link struct {
	Link
	url   string
	close func() error
}

// dial makes the way to the broker that takes so long to and fro.
func (b *Broker) dial(ctx context.Context, rtt time.Duration) (*link, error) {
	l := &link{Link: Link{Name: Loopback, RTT: rtt}, url: b.URL, close: func() error { return nil }}
	if rtt > 0 {
		u, err := url.Parse(b.URL)
		if err != nil {
			return nil, fmt.Errorf("the broker's address: %w", err)
		}
		p, err := faultproxy.Listen(u.Host)
		if err != nil {
			return nil, err
		}
		p.Delay(rtt)
		u.Host = p.Addr()
		l.Name, l.url, l.close = rtt.String()+" of round trip", u.String(), p.Close
	}
	if b.Probe != nil {
		probe, err := b.Probe(ctx, l.url)
		if err != nil {
			return nil, fmt.Errorf("probe the way to the broker: %w", err)
		}
		l.Probe = &probe
	}
	return l, nil
}

// Loopback is the name of the straight way to the broker.
const Loopback = "loopback"

type run struct {
	cfg    Config
	broker *Broker
	// say tells a person how far it is.
	say func(format string, args ...any)
}

// Run measures all contenders over all links, round by round.
func Run(ctx context.Context, c Contest, cfg Config) (result *Result, err error) {
	broker, err := c.Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Broker, err)
	}
	defer func() {
		if stopped := broker.Stop(); err == nil {
			err = stopped
		}
	}()
	r := &run{cfg: cfg, broker: broker, say: cfg.say}
	result = newResult(c, cfg, broker)
	for i, rtt := range cfg.Links {
		l, err := broker.dial(ctx, rtt)
		if err != nil {
			return nil, err
		}
		first := 1
		if i == 0 && cfg.Rounds > 1 {
			first = warmUp
		}
		samples, err := r.rounds(ctx, c.Contenders, l, first)
		if err != nil {
			return nil, err
		}
		if err := l.close(); err != nil {
			return nil, err
		}
		result.add(l.Link, cfg, c.Contenders, samples)
	}
	result.Goals = c.Goals(result)
	return result, nil
}

// warmUp is the small round before the first: one for all links, and none where
// there is but one round to be had.
const warmUp = 0

// rounds runs the rounds of one link, and more where a rate is unsteady. Who begins moves
// on by one each round.
func (r *run) rounds(ctx context.Context, contenders []Contender, l *link, first int) ([][]*sample, error) {
	samples := make([][]*sample, len(contenders))
	warm := *r
	warm.cfg = r.cfg.warmUp()
	for round := first; round <= r.cfg.Rounds || round <= r.cfg.Rounds+r.cfg.More && unsteady(samples); round++ {
		for i := range contenders {
			i = (i + round) % len(contenders)
			began := time.Now()
			by := r
			if round == warmUp {
				by = &warm
			}
			s, err := by.take(ctx, contenders[i], l)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", contenders[i].Name, l.Name, err)
			}
			if round != warmUp {
				samples[i] = append(samples[i], s)
			}
			r.say("%s, round %d of %d: %s, %.1f s", l.Name, round, r.cfg.Rounds, contenders[i].Name, time.Since(began).Seconds())
		}
	}
	return samples, nil
}

// unsteady reports whether the rates of some contender's stage were unsteady.
func unsteady(samples [][]*sample) bool {
	for _, rounds := range samples {
		for _, stage := range allStages {
			if r := summarizeRate(stage, rounds, rounds); r != nil && r.Unsteady() {
				return true
			}
		}
	}
	return false
}
