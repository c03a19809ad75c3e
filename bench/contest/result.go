package contest

import (
	"fmt"
	"maps"
	"time"

	"github.com/taskgen/taskgen/bench/report"
)

// A Result is what is written to the file.
type Result struct {
	Machine report.Machine `json:"machine"`
	Broker  string         `json:"broker"`
	Server  string         `json:"server"`
	Payload int            `json:"payload_bytes"`
	Rounds  int            `json:"rounds"`
	Workers int            `json:"workers"`
	Missing []string       `json:"missing_peers,omitempty"`
	Links   []Link         `json:"links"`
	Goals   []report.Goal  `json:"goals"`
}

// A Link is a way to the broker, and what was measured over it.
type Link struct {
	Name  string        `json:"name"`
	RTT   time.Duration `json:"added_round_trip_ns"`
	Probe *Probe        `json:"probe,omitempty"`
	Tasks int           `json:"tasks_at_most"`
	Limit float64       `json:"seconds_at_most"` // of a stage
	// Rounds are more than those of the result where rates were unsteady.
	Rounds int    `json:"rounds"`
	Cases  []Case `json:"cases"`
}

// A Case is one contender over one link.
type Case struct {
	Name     string          `json:"name"`
	Settings string          `json:"settings"`
	Rates    map[Stage]*Rate `json:"rates,omitempty"`
	// Memory is the broker's, in bytes for each task that waits.
	Memory *report.Summary `json:"memory_bytes_per_task,omitempty"`
	Idle   *report.Spread  `json:"idle_pickup_ms,omitempty"`
	Late   *report.Spread  `json:"delayed_lateness_ms,omitempty"`
}

// A Rate is that of one stage over the rounds.
type Rate struct {
	report.Summary                           // tasks a second
	Tasks          int                       `json:"tasks"` // in the round that did the fewest
	PerTask        map[string]report.Summary `json:"per_task,omitempty"`
	// Times is how many times as fast taskgen is, round by round.
	Times report.Summary `json:"taskgen_times"`
}

// steady is how many times the least rate of a stage's rounds the largest may be.
const steady = 1.5

// Unsteady reports whether the rounds differ so much that the median says little.
func (r *Rate) Unsteady() bool { return r.Max > steady*r.Min }

func newResult(c Contest, cfg Config, b *Broker) *Result {
	return &Result{
		Machine: report.ThisMachine(), Broker: c.Broker, Server: b.About, Payload: PayloadSize,
		Rounds: cfg.Rounds, Workers: Workers, Missing: c.Missing,
	}
}

// add summarizes the samples of each contender over a link. The first contender
// is what the others are compared with.
func (r *Result) add(l Link, cfg Config, contenders []Contender, samples [][]*sample) {
	size := cfg.size(l.RTT)
	l.Tasks, l.Limit, l.Rounds = size.Tasks, size.Limit.Seconds(), len(samples[0])
	for i, c := range contenders {
		l.Cases = append(l.Cases, summarize(c, samples[i], samples[0]))
	}
	r.Links = append(r.Links, l)
}

func summarize(c Contender, samples, base []*sample) Case {
	out := Case{Name: c.Name, Settings: c.Settings}
	for _, stage := range allStages {
		if r := summarizeRate(stage, samples, base); r != nil {
			if out.Rates == nil {
				out.Rates = make(map[Stage]*Rate)
			}
			out.Rates[stage] = r
		}
	}
	var memory, idle, late []float64
	for _, s := range samples {
		if s.memory > 0 {
			memory = append(memory, s.memory)
		}
		idle = append(idle, milliseconds(s.idle)...)
		late = append(late, milliseconds(s.late)...)
	}
	if len(memory) > 0 {
		m := report.Summarize(memory)
		out.Memory = &m
	}
	out.Idle, out.Late = report.SpreadOf(idle), report.SpreadOf(late)
	return out
}

// summarizeRate is nil for a stage that the contender does not have.
func summarizeRate(stage Stage, samples, base []*sample) *Rate {
	var rates, times []float64
	costs := make(map[string][]float64)
	out := &Rate{}
	for i, s := range samples {
		r, ok := s.rates[stage]
		if !ok {
			return nil
		}
		rates = append(rates, r.rate())
		if b, ok := base[i].rates[stage]; ok {
			times = append(times, b.rate()/r.rate())
		}
		if out.Tasks == 0 || r.tasks < out.Tasks {
			out.Tasks = r.tasks
		}
		for name := range maps.Keys(r.perTask) {
			costs[name] = append(costs[name], r.perTask[name])
		}
	}
	out.Summary = report.Summarize(rates)
	if len(times) > 0 {
		out.Times = report.Summarize(times)
	}
	for name, values := range costs {
		if out.PerTask == nil {
			out.PerTask = make(map[string]report.Summary)
		}
		out.PerTask[name] = report.Summarize(values)
	}
	return out
}

func milliseconds(ds []time.Duration) []float64 {
	out := make([]float64, len(ds))
	for i, d := range ds {
		out[i] = float64(d) / float64(time.Millisecond)
	}
	return out
}

// Case finds what a contender did over a link; nil when it did not take part.
func (r *Result) Case(link, name string) *Case {
	for _, l := range r.Links {
		if l.Name != link {
			continue
		}
		for i := range l.Cases {
			if l.Cases[i].Name == name {
				return &l.Cases[i]
			}
		}
	}
	return nil
}

// Rate finds the rate of a contender over a link; nil when there is none.
func (r *Result) Rate(link, name string, stage Stage) *Rate {
	if c := r.Case(link, name); c != nil {
		return c.Rates[stage]
	}
	return nil
}

// Times is the goal that taskgen is at least so many times as fast as a peer, by
// the median of the rounds. There is no goal where one of them did not take part.
func (r *Result) Times(goal float64, link, peer string, stage Stage) []report.Goal {
	rate := r.Rate(link, peer, stage)
	if rate == nil || rate.Times.Median == 0 {
		return nil
	}
	return []report.Goal{report.AtLeast(fmt.Sprintf("%s beside %s, %s, times", stage, peer, link), rate.Times.Median, goal)}
}

// Beside are the goals, over loopback, of a broker whose client alone is the
// ceiling: such a part of its rates, and twice those of a peer.
func (r *Result) Beside(part float64, alone, peer string) []report.Goal {
	var goals []report.Goal
	for _, stage := range []Stage{Many, Batches, Drain, Flow} {
		goals = append(goals, r.Times(part, Loopback, alone, stage)...)
	}
	for _, stage := range []Stage{Many, Drain, Flow} {
		goals = append(goals, r.Times(2, Loopback, peer, stage)...)
	}
	return goals
}

// Life is what a task costs by a counter, to be enqueued in the way that is best
// for many and to be drained. ok is false where that was not measured.
func (c *Case) Life(counter string) (cost float64, ok bool) {
	in := c.Rates[Batches]
	if in == nil {
		in = c.Rates[Many]
	}
	out := c.Rates[Drain]
	if in == nil || out == nil {
		return 0, false
	}
	a, ok1 := in.PerTask[counter]
	b, ok2 := out.PerTask[counter]
	return a.Median + b.Median, ok1 && ok2
}
