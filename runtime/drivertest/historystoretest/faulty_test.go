package historystoretest

import (
	"context"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/history/historystore"
)

type (
	rec    = historystore.Record
	filter = historystore.Filter
)

// A faulty store breaks its promises where one of its hooks is set. A hook is given what
// the store does rightly.
type faulty struct {
	historystore.Store

	mu    sync.Mutex
	added [][]rec // all batches
	seen  map[string]int
	kept  []rec // what a hook has returned before

	add   func(s *faulty, records []rec, keep historystore.Limits) ([]rec, historystore.Limits)
	task  func(s *faulty, id string, right []rec) []rec
	list  func(s *faulty, f filter, cursor string, limit int) ([]rec, string, error)
	stats func(s *faulty, f filter) []historystore.TypeStats
}

func (s *faulty) Add(ctx context.Context, records []rec, keep historystore.Limits) error {
	s.mu.Lock()
	s.added = append(s.added, records)
	if s.add != nil {
		records, keep = s.add(s, records, keep)
	}
	s.mu.Unlock()
	return s.Store.Add(ctx, records, keep)
}

func (s *faulty) Task(ctx context.Context, id string) ([]rec, error) {
	records, err := s.Store.Task(ctx, id)
	if s.task != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		records = s.task(s, id, records)
	}
	return records, err
}

func (s *faulty) List(ctx context.Context, f filter, cursor string, limit int) ([]rec, string, error) {
	if s.list != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.list(s, f, cursor, limit)
	}
	return s.Store.List(ctx, f, cursor, limit)
}

func (s *faulty) Stats(ctx context.Context, f filter) ([]historystore.TypeStats, error) {
	if s.stats != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.stats(s, f), nil
	}
	return s.Store.Stats(ctx, f)
}

// before counts how often it was called with a key.
func (s *faulty) before(key string) int {
	s.seen[key]++
	return s.seen[key] - 1
}

// page and sum are what the store returns rightly.
func (s *faulty) page(f filter, cursor string, limit int) ([]rec, string, error) {
	return s.Store.List(context.Background(), f, cursor, limit)
}

func (s *faulty) sum(f filter) []historystore.TypeStats {
	stats, _ := s.Store.Stats(context.Background(), f)
	return stats
}

// each changes every record that is added.
func each(change func(r *rec)) *faulty {
	return &faulty{add: func(_ *faulty, records []rec, keep historystore.Limits) ([]rec, historystore.Limits) {
		changed := append([]rec(nil), records...)
		for i := range changed {
			change(&changed[i])
		}
		return changed, keep
	}}
}

// batches changes every batch.
func batches(change func(s *faulty, records []rec) []rec) *faulty {
	return &faulty{add: func(s *faulty, records []rec, keep historystore.Limits) ([]rec, historystore.Limits) {
		return change(s, records), keep
	}}
}

// limits changes what is kept.
func limits(change func(s *faulty, keep *historystore.Limits)) *faulty {
	return &faulty{add: func(s *faulty, records []rec, keep historystore.Limits) ([]rec, historystore.Limits) {
		change(s, &keep)
		return records, keep
	}}
}

// lists changes the filter of each list, and its pages.
func lists(ask func(f *filter), answer func(page []rec) []rec) *faulty {
	return &faulty{list: func(s *faulty, f filter, cursor string, limit int) ([]rec, string, error) {
		if ask != nil {
			ask(&f)
		}
		page, next, err := s.page(f, cursor, limit)
		if answer != nil {
			page = answer(page)
		}
		return page, next, err
	}}
}

// counts changes the filter of all stats, and the stats of each type.
func counts(ask func(f *filter), answer func(t *historystore.TypeStats)) *faulty {
	return &faulty{stats: func(s *faulty, f filter) []historystore.TypeStats {
		if ask != nil {
			ask(&f)
		}
		stats := s.sum(f)
		for i := range stats {
			if answer != nil {
				answer(&stats[i])
			}
		}
		return stats
	}}
}

// timelines changes the history of each task.
func timelines(answer func(records []rec) []rec) *faulty {
	return &faulty{task: func(_ *faulty, _ string, records []rec) []rec { return answer(records) }}
}

func truncated(t time.Time) time.Time { return t.Truncate(time.Millisecond) }
