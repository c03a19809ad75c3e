package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

// fleet keeps workers and the orders to them under keys of one slot.
type fleet struct{ p *Provider }

var _ fleetstore.Store = fleet{}

// Fleet keeps the workers of all processes on the same server, and the orders to them.
// Providers with the same prefix share it. The server removes what has expired; without
// workers, nothing is left after a time.
func (p *Provider) Fleet() fleetstore.Store { return fleet{p} }

// keys are the keys that concern a worker.
func (s fleet) keys(worker string) []string {
	keys := fleetKeys(s.p.prefix, worker)
	return keys[:]
}

// workersTTL is how long the set of all workers is kept after the last heartbeat. List
// removes those that are gone.
const workersTTL = 24 * time.Hour

// Heartbeat implements fleetstore.Store, in one round trip of four commands unless there
// are orders. A script would take the server twice as long.
func (s fleet) Heartbeat(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
	data, err := w.Encode()
	if err != nil {
		return nil, fmt.Errorf("worker %s: %w", w.ID, err)
	}
	ms := max(durationMillis(ttl), 1)
	data = append(append(strconv.AppendInt(nil, ms, 10), '\n'), data...)
	if done == 0 {
		orders, err := s.beat(ctx, w.ID, data, ms)
		if err == nil && !orders {
			return nil, nil
		}
		if err != nil && !isFull(err) {
			return nil, fmt.Errorf("redis: heartbeat of worker %s: %w", w.ID, err)
		}
	}
	reply, err := s.p.runKeys(ctx, fleetHeartbeat, s.keys(w.ID), w.ID, data, ms, done, ms+workersTTL.Milliseconds())
	list, ok := reply.([]any)
	if err == nil && (!ok || len(list)%2 != 0) {
		err = errReply
	}
	if err != nil {
		return nil, fmt.Errorf("heartbeat of worker %s: %w", w.ID, err)
	}
	var orders []fleetstore.Order
	for pair := range slices.Chunk(list, 2) {
		o := fleetstore.Order{Worker: w.ID}
		if o.Seq, err = strconv.ParseInt(text(pair[0]), 10, 64); err != nil {
			return nil, fmt.Errorf("orders to worker %s: %w", w.ID, errReply)
		}
		if err := o.Decode([]byte(text(pair[1]))); err != nil {
			return nil, err
		}
		orders = append(orders, o)
	}
	return orders, nil
}

// beat stores what a worker says, and reports whether there are orders to it.
func (s fleet) beat(ctx context.Context, id string, data []byte, ms int64) (orders bool, err error) {
	if err := s.p.begin(); err != nil {
		return false, err
	}
	defer s.p.calls.Done()
	keys := fleetKeys(s.p.prefix, id)
	n, err := request(ctx, s.p, func(ctx context.Context) (int64, error) {
		pipe := s.p.client.Pipeline()
		pipe.Do(ctx, "SET", keys[fleetWorker], data, "PX", ms)
		pipe.SAdd(ctx, keys[fleetWorkers], id)
		pipe.Do(ctx, "PEXPIRE", keys[fleetWorkers], ms+workersTTL.Milliseconds())
		there := pipe.Exists(ctx, keys[fleetOrders])
		_, err := pipe.Exec(ctx)
		return there.Val(), err
	})
	return n > 0, err
}

// Leave implements fleetstore.Store.
func (s fleet) Leave(ctx context.Context, id string) error {
	if _, err := s.p.runKeys(ctx, fleetLeave, s.keys(id), id); err != nil {
		return fmt.Errorf("remove worker %s: %w", id, err)
	}
	return nil
}

// List implements fleetstore.Store, in one round trip and one more for each 256 workers.
func (s fleet) List(ctx context.Context) (all []*fleetstore.Worker, err error) {
	if err := s.p.begin(); err != nil {
		return nil, err
	}
	defer s.p.calls.Done()
	ids, err := request(ctx, s.p, func(ctx context.Context) ([]string, error) {
		return s.p.client.SMembers(ctx, s.keys("")[fleetWorkers]).Result()
	})
	var gone []string
	for part := range slices.Chunk(ids, maxScriptTasks) {
		if err == nil {
			all, gone, err = s.read(ctx, part, all, gone)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("redis: list workers: %w", err)
	}
	s.forget(ctx, gone)
	return all, nil
}

// read appends the workers with the given IDs to all, or their IDs to gone.
func (s fleet) read(ctx context.Context, ids []string, all []*fleetstore.Worker, gone []string) ([]*fleetstore.Worker, []string, error) {
	c := &call{script: fleetRead, args: make([]any, 0, 3+len(ids))}
	c.args = append(c.args, "evalsha", fleetRead.sha, len(ids))
	for _, id := range ids {
		c.args = append(c.args, s.keys(id)[fleetWorker])
	}
	reply, err := s.p.run(ctx, c)
	list, ok := reply.([]any)
	if err == nil && (!ok || len(list) != 1+2*len(ids)) {
		err = errReply
	}
	if err != nil {
		return nil, nil, err
	}
	now, _ := list[0].(int64)
	for i, id := range ids {
		ttl, body, found := strings.Cut(text(list[1+2*i]), "\n")
		left, _ := list[2+2*i].(int64)
		if !found || left < 0 {
			gone = append(gone, id)
			continue
		}
		ms, err := strconv.ParseInt(ttl, 10, 64)
		if err != nil {
			return nil, nil, errReply
		}
		all = append(all, fleetstore.DecodeWorker(id, time.UnixMilli(now+left-ms), []byte(body)))
	}
	return all, gone, nil
}

// forget removes workers that are gone from the set of all. If that fails, the next List
// does it.
func (s fleet) forget(ctx context.Context, ids []string) {
	calls := make([]*call, len(ids))
	for i, id := range ids {
		keys := s.keys(id)
		calls[i] = &call{script: fleetForget, args: []any{"evalsha", fleetForget.sha, 2, keys[fleetWorker], keys[fleetWorkers], id}}
	}
	if len(calls) > 0 {
		_, _ = s.p.runAll(ctx, calls)
	}
}

// Send implements fleetstore.Store.
func (s fleet) Send(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
	data, err := o.Encode()
	if err != nil {
		return fmt.Errorf("order to worker %s: %w", o.Worker, err)
	}
	reply, err := s.p.runKeys(ctx, fleetSend, s.keys(o.Worker), max(durationMillis(ttl), 1), data)
	var seq int64
	if err == nil {
		if seq, err = strconv.ParseInt(text(reply), 10, 64); err != nil {
			err = errReply
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("order to worker %s: %w", o.Worker, err)
	case seq == 0:
		return fmt.Errorf("%w: %s", fleetstore.ErrWorkerNotFound, o.Worker)
	}
	o.Seq = seq
	return nil
}

// PutTypes implements fleetstore.Store. It sends the descriptions that the server does not
// have: as a rule one round trip, with sums alone.
func (s fleet) PutTypes(ctx context.Context, types []fleetstore.Type, ttl time.Duration) error {
	sums, bodies := make([]string, len(types)), make([][]byte, len(types))
	for i := range types {
		data, err := types[i].Encode()
		if err != nil {
			return fmt.Errorf("type %s: %w", types[i].Name, err)
		}
		sums[i], bodies[i] = fleetstore.Sum(data), data
	}
	for from := 0; from < len(sums); from += maxScriptPuts {
		to := min(from+maxScriptPuts, len(sums))
		missing, err := s.putTypes(ctx, sums[from:to], nil, ttl)
		for len(missing) > 0 && err == nil {
			n, size := 0, 0
			var part []string
			var text [][]byte
			for n < len(missing) && (n == 0 || size+len(bodies[from+missing[n]]) <= maxScriptBytes) {
				i := from + missing[n]
				part, text = append(part, sums[i]), append(text, bodies[i])
				size += len(bodies[i])
				n++
			}
			_, err = s.putTypes(ctx, part, text, ttl)
			missing = missing[n:]
		}
		if err != nil {
			return fmt.Errorf("describe types: %w", err)
		}
	}
	return nil
}

// putTypes puts descriptions, or those that the server has if it is not given bodies, and
// returns the places of those that are missing.
func (s fleet) putTypes(ctx context.Context, sums []string, bodies [][]byte, ttl time.Duration) (missing []int, err error) {
	args := make([]any, 0, 1+2*len(sums))
	args = append(args, max(durationMillis(ttl), 1))
	for i, sum := range sums {
		var body []byte
		if bodies != nil {
			body = bodies[i]
		}
		args = append(args, sum, body)
	}
	reply, err := s.p.runKeys(ctx, fleetTypesPut, s.keys(""), args...)
	if err != nil {
		return nil, err
	}
	codes, err := codesOf(reply, len(sums))
	if err != nil {
		return nil, err
	}
	for i, code := range codes {
		if code != 0 {
			missing = append(missing, i)
		}
	}
	return missing, nil
}

// Types implements fleetstore.Store, in one round trip and one more for each 16
// descriptions.
func (s fleet) Types(ctx context.Context) ([]fleetstore.Type, error) {
	reply, err := s.p.runKeys(ctx, fleetDescribed, s.keys(""))
	list, ok := reply.([]any)
	if err == nil && !ok {
		err = errReply
	}
	if err != nil {
		return nil, fmt.Errorf("list types: %w", err)
	}
	if err := s.p.begin(); err != nil {
		return nil, err
	}
	defer s.p.calls.Done()
	var types []fleetstore.Type
	for part := range slices.Chunk(list, typesAtOnce) {
		sums := make([]string, len(part))
		for i := range part {
			sums[i] = text(part[i])
		}
		values, err := request(ctx, s.p, func(ctx context.Context) ([]any, error) {
			return s.p.client.HMGet(ctx, s.keys("")[fleetTypes], sums...).Result()
		})
		if err != nil {
			return nil, fmt.Errorf("redis: list types: %w", err)
		}
		for _, value := range values {
			body := text(value)
			if body == "" { // it has expired since
				continue
			}
			var t fleetstore.Type
			if err := t.Decode([]byte(body)); err != nil {
				return nil, err
			}
			types = append(types, t)
		}
	}
	return types, nil
}

// typesAtOnce bounds the descriptions in one reply: 4 MB, if each is as long as it may be.
const typesAtOnce = 16
