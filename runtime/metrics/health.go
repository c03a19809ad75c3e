package metrics

import (
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
)

// healthAge is how old the counts of a queue may be to show that its broker can be reached:
// a program that is scraped every 15 s or more often makes no calls for its health.
const healthAge = 15 * time.Second

// Values of a status.
const (
	statusOK          = "ok"
	statusUnavailable = "unavailable"
)

// health is the answer of the health handler.
type health struct {
	Status string  `json:"status"`
	Checks []check `json:"checks,omitempty"`
}

// A check is one thing that must be well.
type check struct {
	Check    string `json:"check"` // "queue" or "pool"
	Name     string `json:"name,omitempty"`
	Provider string `json:"provider,omitempty"`
	Status   string `json:"status"`
	Reason   string `json:"reason,omitempty"` // what is wrong
}

// HealthHandler returns a handler of /livez and /readyz, under any path that ends so. Both
// answer in JSON; readyz names each check and what is wrong.
//
// livez answers 200 as long as the process serves requests: a broker that is away is no
// reason to restart it. readyz answers 200 if each open queue's broker has answered within
// the last 15 s, or answers now within 3 s; if at least one queue is open; and if at least
// one pool runs, in a program that has started any. Else it answers 503. It shows neither
// addresses nor the texts of errors: those are in the log.
func (m *Metrics) HealthHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "use GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		switch path.Base(r.URL.Path) {
		case "livez":
			answer(w, health{Status: statusOK})
		case "readyz":
			answer(w, m.ready())
		default:
			http.Error(w, "the health handler serves /livez and /readyz", http.StatusNotFound)
		}
	})
}

func answer(w http.ResponseWriter, h health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if h.Status != statusOK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h) // fails only if the client is gone
}

// ready says whether the program can do its work.
func (m *Metrics) ready() health {
	h := health{Status: statusOK, Checks: append(m.queueChecks(), m.poolChecks()...)}
	if slices.ContainsFunc(h.Checks, func(c check) bool { return c.Status != statusOK }) {
		h.Status = statusUnavailable
	}
	return h
}

func (m *Metrics) queueChecks() []check {
	counts := m.queues.Count(healthAge)
	if len(counts) == 0 {
		return []check{{Check: "queue", Status: statusUnavailable, Reason: "no queue is open"}}
	}
	checks := make([]check, len(counts))
	for i, c := range counts {
		checks[i] = check{Check: "queue", Name: c.Queue.Name, Provider: c.Queue.Provider, Status: statusOK}
		if c.Err != nil {
			checks[i].Status, checks[i].Reason = statusUnavailable, reasonFor(c.Err)
		}
	}
	return checks
}

// reasonFor is an error without its text, which may have an address or more.
func reasonFor(err error) string {
	switch {
	case errors.Is(err, measure.ErrNoAnswer):
		return measure.ErrNoAnswer.Error()
	case errors.Is(err, driver.ErrClosed):
		return "the queue's provider is closed"
	case errors.Is(err, driver.ErrUnavailable):
		return "the broker cannot be reached"
	default:
		return "the broker does not count the queue's tasks: the log says why"
	}
}

// poolChecks are empty in a program that has started no pool, such as one that only
// enqueues. A pool that has stopped while another runs was stopped on purpose.
func (m *Metrics) poolChecks() []check {
	states := m.poolStates()
	works := slices.ContainsFunc(states, func(s poolState) bool { return s.running > 0 })
	var checks []check
	for _, s := range states {
		switch {
		case s.running > 0:
			checks = append(checks, check{Check: "pool", Name: s.name, Status: statusOK})
		case !works:
			checks = append(checks, check{Check: "pool", Name: s.name, Status: statusUnavailable, Reason: "the pool has stopped, and no other runs"})
		}
	}
	return checks
}
