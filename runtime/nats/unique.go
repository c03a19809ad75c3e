package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A claim is the record of a unique key with a window: a separate message, which
// expires some time after the window. It is written before the task, as unsure, and
// again when the task is stored. A key without a window needs no claim: the task's
// subject has it.
type claim struct {
	ID    string `json:"id"`
	Until int64  `json:"until"` // nanoseconds of the Unix epoch, like Due
	Due   int64  `json:"due"`
	// Sure is set once the task is stored.
	Sure bool `json:"sure,omitempty"`

	key     string
	seq     uint64 // of the record
	expect  uint64 // the record that it replaces
	resumed bool   // an earlier call of the same task wrote it, and did not complete
	request *request
}

// unsureFor is how long a claim counts whose task is not on the queue: its writer may
// be between the two steps.
const unsureFor = 30 * time.Second

func parseClaim(data []byte) *claim {
	c := new(claim)
	if json.Unmarshal(data, c) != nil {
		return new(claim) // without an owner, and over
	}
	return c
}

// record is a request that writes a claim.
func (s *queueState) record(c *claim, g guard) *request {
	data, _ := json.Marshal(c) // plain values: it cannot fail
	left := max(time.Until(time.Unix(0, c.Until)), 0)/time.Second + 60
	return publish(s.at(placeKey, tail(none, c.key, none)), data, g, nats.Header{
		headerTTL: {strconv.FormatInt(int64(left), 10) + "s"}, headerRollup: {"sub"},
	})
}

// claimKeys claims the keys of entries with a window. It returns the entries that may
// be stored, and those with a window among them.
func (q *queue) claimKeys(ctx context.Context, es []*entry, answers []driver.Enqueued, failed map[int]error) (free, windows []*entry) {
	var todo []*entry
	now := time.Now()
	for _, e := range es {
		if !e.window {
			free = append(free, e)
			continue
		}
		e.claim = &claim{ID: e.task.ID, Until: now.Add(e.task.UniqueFor).UnixNano(), Due: e.task.DueAt().UnixNano(), key: token(e.task.UniqueKey)}
		todo = append(todo, e)
	}
	for round := 0; len(todo) > 0; round++ {
		var again []*entry
		rs := make([]*request, len(todo))
		for i, e := range todo {
			rs[i] = q.record(e.claim, guard{q.keyPattern(e.claim.key), e.claim.expect})
			e.claim.request = rs[i]
		}
		why := q.requester.roundTrip(ctx, rs, nil)
		for _, e := range todo {
			seq, err := e.claim.request.ack()
			if codeOf(err) == codeWrongSequence && round < rounds {
				var won, retry bool
				if won, retry, err = q.resolveClaim(ctx, e, answers); retry {
					again = append(again, e)
					continue
				} else if err == nil && !won {
					continue // answered
				}
			} else if err == nil {
				e.claim.seq = seq
			}
			if err != nil {
				failed[e.index] = fmt.Errorf("claim the unique key of task %s on queue %q: %w", e.task.ID, q.cfg.Name, queueFull(preferCause(err, why)))
				continue
			}
			windows = append(windows, e)
		}
		todo = again
	}
	return append(free, windows...), windows
}

// resolveClaim finds the holder of a key that could not be claimed.
func (q *queue) resolveClaim(ctx context.Context, e *entry, answers []driver.Enqueued) (won, retry bool, err error) {
	get := q.requester.last(q.names.stream, q.keyPattern(e.claim.key))
	if err := q.requester.roundTrip(ctx, []*request{get}, nil); err != nil {
		return false, false, err
	}
	m, err := get.message()
	if err != nil {
		return false, false, err
	}
	if isReappeared, err := q.reappeared(ctx, []*stored{m}); err != nil {
		return false, false, err
	} else if isReappeared[0] {
		e.claim.expect = 0
		_, err := q.discard(ctx, []*stored{m})
		return false, err == nil, err
	}
	holder, held := q.holder(m)
	if !held || e.recoveredFrom != 0 && m.seq == e.recoveredFrom {
		if e.claim.expect = 0; m != nil {
			e.claim.expect = m.seq
		}
		return false, true, nil
	}
	if place, _, _ := q.split(m.subject); place == placeKey {
		c := parseClaim(m.data)
		if !c.Sure && c.ID == e.task.ID {
			e.claim.Until, e.claim.seq, e.claim.resumed = c.Until, m.seq, true
			return true, false, nil
		}
		if !c.Sure && time.Since(m.at) > unsureFor {
			there := q.requester.last(q.names.stream, q.at(anyPlace, tail("*", "*", token(c.ID))))
			if err := q.requester.roundTrip(ctx, []*request{there}, nil); err != nil {
				return false, false, err
			}
			if task, err := there.message(); err != nil || task == nil {
				e.claim.expect = m.seq
				return false, err == nil, err
			}
		}
	}
	answers[e.index] = holder
	return false, false, nil
}

// confirmKeys makes the claims of stored tasks sure, and removes those of other tasks.
// If that fails the claim stays unsure, which is handled later.
func (q *queue) confirmKeys(ctx context.Context, windows []*entry, answers []driver.Enqueued, failed map[int]error) {
	var rs []*request
	for _, e := range windows {
		switch err := failed[e.index]; {
		case err == nil:
			e.claim.Sure = true
			rs = append(rs, q.record(e.claim, guard{q.at(placeKey, tail(none, e.claim.key, none)), e.claim.seq}))
		case isDuplicate(err):
			rs = append(rs, q.requester.remove(q.names.stream, e.claim.seq))
		}
	}
	_ = q.requester.roundTrip(ctx, rs, nil)
}
