package nats

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A seqRange is a range of the stream that holds tasks of one state, by sequence.
type seqRange struct {
	pattern  string
	from, to uint64 // both included
}

// noEnd is the end of a seqRange that has none.
const noEnd = math.MaxUint64

// Browse implements [driver.Browser], by direct gets: 1 request a page, and 1 for
// the state of each consumer. Ready tasks of a fifo queue come as the heads of
// their groups and then their followers in order, scheduled ones in the order they were
// written, and dead ones in the order they died, those that a worker of the dead
// letter queue has leased among them.
func (q *queue) Browse(ctx context.Context, state driver.State, cursor string, limit int) ([]*driver.Task, string, error) {
	if err := driver.CheckBrowse(q.cfg.Name, limit); err != nil {
		return nil, "", err
	}
	if err := q.beginCall(); err != nil {
		return nil, "", err
	}
	defer q.p.calls.Done()
	at, after, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	in, all, err := q.taskRanges(ctx, state)
	if err != nil {
		return nil, "", fmt.Errorf("browse %s tasks of queue %q: %w", state, q.cfg.Name, err)
	}
	tasks := make([]*driver.Task, 0, min(limit, batchSize))
	for ; at < len(all); at, after = at+1, 0 {
		some, err := in.list(ctx, all[at], after, limit-len(tasks)+1)
		if err != nil {
			return nil, "", fmt.Errorf("browse %s tasks of queue %q: %w", state, q.cfg.Name, err)
		}
		for _, m := range some {
			if len(tasks) == limit {
				return tasks, strconv.Itoa(at) + "." + strconv.FormatUint(after, 10), nil
			}
			_, rest, _ := in.split(m.subject)
			task, _ := decodeDead(rest, q.name, m.data, m.header, m.at)
			tasks, after = append(tasks, task), m.seq
		}
	}
	return tasks, "", nil
}

// taskRanges says where the tasks of a state are, in the order they are listed.
func (q *queue) taskRanges(ctx context.Context, state driver.State) (in *queueState, all []seqRange, err error) {
	pulled, _ := q.consumers()
	switch state {
	case driver.Ready, driver.Leased:
		states, err := q.requester.infos(ctx, q.names.stream, pulled...)
		if err != nil {
			return nil, nil, err
		}
		for i, c := range pulled {
			if seen := states[i].Delivered.Stream; state == driver.Ready {
				all = append(all, seqRange{q.pulledFrom(c), seen + 1, noEnd})
			} else if seen > 0 {
				all = append(all, seqRange{q.pulledFrom(c), 1, seen})
			}
		}
		if state == driver.Ready && q.kind == driver.FIFO {
			all = append(all, seqRange{q.all(placeFollowers), 1, noEnd})
		}
	case driver.Scheduled:
		if q.kind == driver.FIFO {
			return q.queueState, []seqRange{{q.all(placeWaiting), 1, noEnd}, {q.all(placeDelayed), 1, noEnd}}, nil
		}
		all = append(all, seqRange{q.all(strings.TrimSuffix(placeScheduled, ".") + ".*"), 1, noEnd})
	case driver.Dead:
		dead := q.deadQueue()
		if dead == nil {
			return nil, nil, nil // the dead of a dead letter queue are its own tasks
		}
		partition := originPartition(q.name)
		return dead, []seqRange{{dead.all(placeReady + partition), 1, noEnd}, {dead.all(placeScheduled + partition), 1, noEnd}}, nil
	default:
		return nil, nil, fmt.Errorf("nats: no such state: ready, scheduled, leased or dead")
	}
	return q.queueState, all, nil
}

// Find implements [driver.Finder], by gets: 1 or 2 requests for the queue, 2 for its dead,
// and 1 for the state of each consumer.
func (q *queue) Find(ctx context.Context, id string) ([]driver.Found, error) {
	if err := q.beginCall(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	found, err := q.lookup(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find task %s on queue %q: %w", id, q.cfg.Name, err)
	}
	return found, nil
}

func (q *queue) lookup(ctx context.Context, id string) (all []driver.Found, err error) {
	found, err := q.find(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if s := found[0]; s != nil {
		f := driver.Found{State: s.state()}
		f.Task, _ = decodeDead(s.tail, q.name, s.data, s.header, s.at)
		if f.State != driver.Leased {
			f.DueAt = f.Task.DueAt()
		}
		if due, err := time.Parse(scheduleLayout, strings.TrimPrefix(s.header.Get(headerSchedule), "@at ")); err == nil {
			f.DueAt = due
		}
		all = append(all, f)
	}
	deadQueue := q.deadQueue()
	if deadQueue == nil {
		return all, nil
	}
	for _, place := range [...]string{placeReady, placeScheduled} {
		there, err := deadQueue.listID(ctx, place+originPartition(q.name), id, 1)
		if err != nil {
			return nil, err
		}
		for _, m := range there {
			_, rest, _ := deadQueue.split(m.subject)
			task, _ := decodeDead(rest, q.name, m.data, m.header, m.at)
			all = append(all, driver.Found{Task: task, State: driver.Dead})
		}
	}
	return all, nil
}

// state is where a task that was found is.
func (s *foundTask) state() driver.State {
	switch {
	case s.leased:
		return driver.Leased
	case s.place == placeWaiting, strings.HasPrefix(s.place, "d.s."):
		return driver.Scheduled
	}
	return driver.Ready
}

// pulledFrom is the pattern of a consumer's tasks.
func (s *queueState) pulledFrom(consumer string) string {
	if consumer == headConsumer {
		return s.all(placeHead)
	}
	return s.all(placeReady + consumer[len(readyConsumer("")):])
}

// list returns the messages of a seqRange after a sequence, at most n.
func (s *queueState) list(ctx context.Context, r seqRange, after uint64, n int) ([]*stored, error) {
	var all []*stored
	for from := max(r.from, after+1); n > 0; {
		page, more, err := s.requester.page(ctx, s.names.stream, r.pattern, from, min(n, batchSize))
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			if m.seq > r.to {
				return all, nil
			}
			all = append(all, m)
		}
		if !more || len(page) == 0 {
			return all, nil
		}
		n, from = n-len(page), page[len(page)-1].seq+1
	}
	return all, nil
}

// listID returns the messages of an ID in a place of dead tasks, from a sequence on, at
// most a page for each of its tokens.
func (s *queueState) listID(ctx context.Context, place, id string, from uint64) (all []*stored, err error) {
	for i, t := range idTokens(id) {
		page, err := s.list(ctx, seqRange{s.at(place, tail(none, none, t)), from, noEnd}, 0, batchSize)
		if err != nil {
			return nil, err
		}
		if i > 0 { // another ID's token may be the same as this one's text
			page = slices.DeleteFunc(page, func(m *stored) bool { return deadID(m) != id })
		}
		all = append(all, page...)
	}
	return all, nil
}

func parseCursor(text string) (at int, after uint64, err error) {
	if text == "" {
		return 0, 0, nil
	}
	a, b, _ := strings.Cut(text, ".")
	at, err1 := strconv.Atoi(a)
	after, err2 := strconv.ParseUint(b, 10, 64)
	if err1 != nil || err2 != nil || at < 0 {
		return 0, 0, fmt.Errorf("nats: %q is not a cursor that Browse has returned", text)
	}
	return at, after, nil
}
