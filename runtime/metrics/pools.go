package metrics

import "github.com/taskgen/taskgen/runtime/observe"

// A poolState has the pools of one name.
type poolState struct {
	name    string
	running int // pools that run
}

// addWorkers counts the workers of a pool that starts, or stops counting those of one that
// stops.
func (m *Metrics) addWorkers(p *observe.Pool, n int) {
	m.slots.WithLabelValues().Add(float64(n))
	for _, q := range p.Queues {
		m.series.Of(q).Queue.workers.Add(float64(n))
	}
}

// addPool notes that a pool has started.
func (m *Metrics) addPool(p *observe.Pool) {
	m.addWorkers(p, p.Workers)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.pools {
		if s.name == p.Name {
			s.running++
			return
		}
	}
	m.pools = append(m.pools, &poolState{name: p.Name, running: 1})
}

// removePool notes that a pool has stopped.
func (m *Metrics) removePool(p *observe.Pool) {
	m.addWorkers(p, -p.Workers)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.pools {
		if s.name == p.Name {
			s.running--
		}
	}
}

// poolStates returns the pools that were ever started, in the order of their first starts.
func (m *Metrics) poolStates() []poolState {
	m.mu.Lock()
	defer m.mu.Unlock()
	states := make([]poolState, len(m.pools))
	for i, s := range m.pools {
		states[i] = *s
	}
	return states
}
