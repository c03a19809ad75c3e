package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/bench/memory/tasks"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// The cases, in the order of the table. The first is what the others are
// compared with.
var cases = []struct {
	name string
	run  func(config) (time.Duration, error)
}{
	{"channel", channel},
	{"payload encoded beforehand", encoded},
	{"EmbeddingTask, generated code", generated},
	{"encoding/json alone", codec},
}

// embedding is the task that all cases carry.
var embedding = tasks.EmbeddingTask{
	Text:    "The quick brown fox jumps over the lazy dog.",
	Model:   "text-embedding-small",
	AgentID: "agent-0193a6b1",
	APIKey:  strings.Repeat("k", 17),
}

// ahead bounds how many tasks are under way at a time, so that a case measures
// a queue that flows and not one that is filled first and drained then.
const ahead = 5_000

// A meter lets the producer run ahead of the handlers by so much and no more,
// and knows when all tasks were handled.
type meter struct {
	done  atomic.Int64
	total int64
	step  int64
	room  chan struct{} // a word for every step tasks that were handled
	all   chan struct{}
}

func newMeter(cfg config) *meter {
	m := &meter{total: int64(cfg.tasks), step: int64(cfg.batch), all: make(chan struct{})}
	steps := max(ahead/cfg.batch, 1)
	m.room = make(chan struct{}, cfg.tasks/cfg.batch+steps+1)
	for range steps {
		m.room <- struct{}{}
	}
	return m
}

// handled counts one task.
func (m *meter) handled() {
	n := m.done.Add(1)
	if n%m.step == 0 {
		m.room <- struct{}{}
	}
	if n == m.total {
		close(m.all)
	}
}

// batches calls produce with the size of each batch, as room comes up.
func (m *meter) batches(cfg config, produce func(n int) error) error {
	for left := cfg.tasks; left > 0; {
		<-m.room
		n := min(left, cfg.batch)
		if err := produce(n); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// channel sends pointers through a buffered channel to goroutines: no envelope,
// no lease, no settling.
func channel(cfg config) (time.Duration, error) {
	m := newMeter(cfg)
	work := make(chan *tasks.EmbeddingTask, 1024)
	var workers sync.WaitGroup
	began := time.Now()
	for range cfg.workers {
		workers.Go(func() {
			for range work {
				m.handled()
			}
		})
	}
	err := m.batches(cfg, func(n int) error {
		for range n {
			t := embedding
			work <- &t
		}
		return nil
	})
	<-m.all
	close(work)
	workers.Wait()
	return time.Since(began), err
}

// encoded carries a payload that was encoded beforehand to a handler that does
// not look at it.
func encoded(cfg config) (time.Duration, error) {
	payload, err := json.Marshal(embedding)
	if err != nil {
		return 0, err
	}
	m, router := newMeter(cfg), runtime.NewRouter()
	router.Handle(tasks.EmbeddingSpec.Policy(), runtime.HandlerFunc(func(context.Context, *runtime.Task) error {
		m.handled()
		return nil
	}))
	// Enqueue copies what it is given: the caller uses its tasks again.
	room, batch := make([]runtime.Task, cfg.batch), make([]*runtime.Task, cfg.batch)
	return flow(cfg, m, router, func(ctx context.Context, to runtime.Enqueuer, n int) error {
		for i := range n {
			room[i] = runtime.Task{Type: tasks.TypeEmbedding, Queue: tasks.EmbeddingSpec.Queue, Payload: payload}
			batch[i] = &room[i]
		}
		_, err := to.Enqueue(ctx, batch[:n])
		return err
	})
}

// handler handles embeddings by doing nothing.
type handler struct{ *meter }

func (h handler) HandleEmbedding(context.Context, tasks.EmbeddingTask) error {
	h.handled()
	return nil
}

// generated carries structs through the generated code: each is encoded,
// decoded and checked.
func generated(cfg config) (time.Duration, error) {
	m, router := newMeter(cfg), runtime.NewRouter()
	tasks.RegisterEmbedding(router, handler{m})
	batch := make([]tasks.EmbeddingTask, cfg.batch)
	for i := range batch {
		batch[i] = embedding
	}
	return flow(cfg, m, router, func(ctx context.Context, to runtime.Enqueuer, n int) error {
		_, err := tasks.EnqueueEmbeddingBatch(ctx, to, batch[:n])
		return err
	})
}

// flow runs a pool while produce enqueues, until all tasks are completed.
func flow(cfg config, m *meter, router *runtime.Router, produce func(ctx context.Context, to runtime.Enqueuer, n int) error) (time.Duration, error) {
	ctx := context.Background()
	provider := memory.New()
	defer provider.Close()
	manager := runtime.NewManager(runtime.ManagerConfig{})
	if err := manager.Open(ctx, provider, tasks.Queues()...); err != nil {
		return 0, err
	}
	defer manager.Close()
	pool, err := runtime.NewPool(manager, router, runtime.PoolConfig{Workers: cfg.workers, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pool.Start(ctx); err != nil {
		return 0, err
	}
	if err := m.batches(cfg, func(n int) error { return produce(ctx, manager, n) }); err != nil {
		return 0, err
	}
	<-m.all
	if err := pool.Stop(ctx); err != nil {
		return 0, err
	}
	took := time.Since(began)
	q, err := manager.Queue(tasks.EmbeddingSpec.Queue)
	if err != nil {
		return 0, err
	}
	stats, err := q.Stats(ctx)
	if err == nil && stats != (driver.Stats{}) {
		err = fmt.Errorf("not all tasks were completed: %+v", stats)
	}
	return took, err
}

// codec encodes and decodes each struct once, on as many goroutines as there
// are workers: what the generated code cannot do without.
func codec(cfg config) (time.Duration, error) {
	errs := make(chan error, cfg.workers)
	began := time.Now()
	for w := range cfg.workers {
		n := cfg.tasks / cfg.workers
		if w == 0 {
			n += cfg.tasks % cfg.workers
		}
		go func() { errs <- roundTrips(n) }()
	}
	for range cfg.workers {
		if err := <-errs; err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

func roundTrips(n int) error {
	for range n {
		data, err := json.Marshal(&embedding)
		if err != nil {
			return err
		}
		var t tasks.EmbeddingTask
		if err := json.Unmarshal(data, &t); err != nil {
			return err
		}
		if t != embedding {
			return fmt.Errorf("%v came back as %v", embedding, t)
		}
	}
	return nil
}
