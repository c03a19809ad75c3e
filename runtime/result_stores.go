package runtime

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Revive is for programs that put dead tasks back on their queue by the queue's own
// Enqueue (Redrive of the manager's queues needs no Revive). It calls move, which
// enqueues the tasks and returns the IDs of those that are on their queue. The result
// stores that the manager knows then forget the outcomes of these: Await waits for the
// new outcome. The manager knows ManagerConfig.Results, PoolConfig.Results of its
// pools, and the stores of its queues' providers. If one of them is unreachable,
// nothing is moved.
func (m *Manager) Revive(ctx context.Context, ids []string, move func() (moved []string)) error {
	var seen []*earlierOutcomes
	for _, k := range m.resultStores.keepers() {
		last, err := peekOutcomes(ctx, k, ids)
		if err != nil {
			return err
		}
		if len(last.rs) > 0 {
			seen = append(seen, last)
		}
	}
	moved := make(map[string]bool)
	for _, id := range move() {
		moved[id] = true
	}
	var err error
	for _, last := range seen {
		err = errors.Join(err, last.forget(ctx, func(id string) bool { return moved[id] }))
	}
	return err
}

// earlierOutcomes are outcomes of tasks whose IDs are about to be used again.
type earlierOutcomes struct {
	in driver.ResultKeeper
	rs []driver.StoredResult
}

// peekOutcomes returns what a store has of the tasks.
func peekOutcomes(ctx context.Context, k driver.ResultKeeper, ids []string) (*earlierOutcomes, error) {
	if len(ids) == 0 {
		return new(earlierOutcomes), nil
	}
	rs, err := k.Peek(ctx, ids)
	if err != nil {
		return new(earlierOutcomes), fmt.Errorf("ask for what is kept of tasks: %w", err)
	}
	rs = slices.DeleteFunc(rs, func(r driver.StoredResult) bool { return r.Version == "" })
	return &earlierOutcomes{k, rs}, nil
}

// forget forgets the outcomes of tasks that have a new life. Until then they were the
// last word on their tasks.
func (l *earlierOutcomes) forget(ctx context.Context, again func(id string) bool) error {
	l.rs = slices.DeleteFunc(l.rs, func(r driver.StoredResult) bool { return !again(r.ID) })
	if len(l.rs) == 0 {
		return nil
	}
	if err := l.in.Forget(context.WithoutCancel(ctx), l.rs); err != nil {
		return fmt.Errorf("%d tasks are on their queue again, and what became of them before could not be forgotten, so that Await may return that: %w", len(l.rs), err)
	}
	return nil
}

// resultStores are the result stores that a manager knows.
type resultStores struct {
	mu         sync.Mutex
	all        []driver.ResultKeeper            // any of them may have outcomes of dead tasks
	configured driver.ResultKeeper              // ManagerConfig.Results; nil: none
	types      map[string][]driver.ResultKeeper // those of pools, by the types with results
	forgets    atomic.Bool                      // an enqueue may have to forget: configured or types is set
}

func (l *resultStores) keepers() []driver.ResultKeeper {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// addConfigured adds what the manager is configured with.
func (l *resultStores) addConfigured(rs Results) {
	if k, ok := rs.(driver.ResultKeeper); ok {
		l.configured, l.all = k, append(l.all, k)
		l.forgets.Store(true)
	}
}

// addProvider adds the store of a provider, if it has one.
func (l *resultStores) addProvider(p Provider) {
	if has, ok := p.(interface{ Results() driver.ResultStore }); ok {
		if k, ok := has.Results().(driver.ResultKeeper); ok {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.all = withKeeper(l.all, k)
		}
	}
}

// addPool adds the store of a pool, which keeps the results of these types.
func (l *resultStores) addPool(rs driver.ResultStore, types []string) {
	k, ok := rs.(driver.ResultKeeper)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = withKeeper(l.all, k)
	for _, name := range types {
		if l.types == nil {
			l.types = make(map[string][]driver.ResultKeeper)
		}
		l.types[name] = withKeeper(l.types[name], k)
		l.forgets.Store(true)
	}
}

// withKeeper adds a store once.
func withKeeper(to []driver.ResultKeeper, k driver.ResultKeeper) []driver.ResultKeeper {
	if reflect.TypeOf(k).Comparable() && slices.Contains(to, k) {
		return to
	}
	return append(to, k)
}

// holding lists, for each store that may have results of the tasks, the IDs that the
// caller set: generated IDs are new.
func (l *resultStores) holding(tasks []*Task) (keepers []driver.ResultKeeper, ids [][]string) {
	if !l.forgets.Load() || !slices.ContainsFunc(tasks, func(t *Task) bool { return t != nil && t.ID != "" }) {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tasks {
		if t == nil || t.ID == "" {
			continue
		}
		in := l.types[t.Type]
		if l.configured != nil {
			in = withKeeper(slices.Clone(in), l.configured)
		}
		for _, k := range in {
			i := slices.IndexFunc(keepers, func(o driver.ResultKeeper) bool { return reflect.TypeOf(k).Comparable() && o == k })
			if i < 0 {
				i = len(keepers)
				keepers, ids = append(keepers, k), append(ids, nil)
			}
			ids[i] = append(ids[i], t.ID)
		}
	}
	return keepers, ids
}

// enqueue enqueues tasks, and makes the stores forget the outcomes of earlier tasks
// with their IDs.
func (l *resultStores) enqueue(ctx context.Context, to Enqueuer, tasks []*Task) ([]Enqueued, error) {
	keepers, ids := l.holding(tasks)
	var seen []*earlierOutcomes
	for i, k := range keepers {
		last, err := peekOutcomes(ctx, k, ids[i])
		if err != nil {
			return nil, err
		}
		if len(last.rs) > 0 {
			seen = append(seen, last)
		}
	}
	answers, err := to.Enqueue(ctx, tasks)
	if len(seen) == 0 {
		return answers, err
	}
	places := make(map[string]int)
	for i, t := range tasks {
		if ErrorAt(err, i) == nil && i < len(answers) && !answers[i].Duplicate {
			places[t.ID] = i
		}
	}
	var failed BatchError
	for _, last := range seen {
		forgotten := last.forget(ctx, func(id string) bool { _, ok := places[id]; return ok })
		for _, r := range last.rs {
			failed.Add(places[r.ID], r.ID, forgotten)
		}
	}
	var be *BatchError
	if len(failed.Items) > 0 && errors.As(err, &be) {
		failed.Items = append(failed.Items, be.Items...)
	}
	if len(failed.Items) > 0 {
		err = failed.Sorted()
	}
	return answers, err
}
