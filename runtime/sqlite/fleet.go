package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

const (
	// One row by its key, and its entry in the index of times.
	sqlWorkerPut = `INSERT INTO taskgen_worker (at, until, id, body) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (id) DO UPDATE SET at = excluded.at, until = excluded.until, body = excluded.body`
	// One row by its key.
	sqlWorkerLives  = `SELECT 1 FROM taskgen_worker WHERE until > ? AND id = ?`
	sqlWorkerDelete = `DELETE FROM taskgen_worker WHERE id = ?`
	// The rows whose time is not over, by the index of times.
	sqlWorkerList = `SELECT id, at, body FROM taskgen_worker WHERE until > ?`
	// One row with the next n.
	sqlOrderPut = `INSERT INTO taskgen_order (until, worker, body) VALUES (?1, ?2, ?3)`
	// The orders to one worker, by the index of workers.
	sqlOrderList   = `SELECT n, body FROM taskgen_order WHERE until > ? AND worker = ? ORDER BY n`
	sqlOrderDone   = `DELETE FROM taskgen_order WHERE n <= ? AND worker = ?`
	sqlOrderDelete = `DELETE FROM taskgen_order WHERE worker = ?`
	// One row by the index of sums.
	sqlTypeDelete = `DELETE FROM taskgen_type WHERE sum = ?`
	// One row with the next n.
	sqlTypePut = `INSERT INTO taskgen_type (until, sum, body) VALUES (?1, ?2, ?3)`
	// All rows by their key: as many as there are types.
	sqlTypeList = `SELECT body FROM taskgen_type WHERE n > 0 AND +until > ? ORDER BY n`
	// These take expired rows by their indexes of times.
	sqlWorkerPrune = `DELETE FROM taskgen_worker WHERE until <= ?`
	sqlOrderPrune  = `DELETE FROM taskgen_order WHERE until <= ?`
	sqlTypePrune   = `DELETE FROM taskgen_type WHERE until <= ?`
)

// fleet keeps workers and the orders to them in the provider's file.
type fleet struct{ p *Provider }

var _ fleetstore.Store = fleet{}

// Fleet keeps the workers of all processes on the same file, and the orders to them. What
// has expired is removed together with other work of the provider. A heartbeat is a
// commit.
func (p *Provider) Fleet() fleetstore.Store { return fleet{p} }

// Heartbeat implements fleetstore.Store.
func (s fleet) Heartbeat(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) (orders []fleetstore.Order, err error) {
	data, err := w.Encode()
	if err != nil {
		return nil, fmt.Errorf("worker %s: %w", w.ID, err)
	}
	var bad error
	err = s.p.writer.do(ctx, 1, func(t *tx) {
		orders, bad = nil, nil
		if put := t.prepare(sqlWorkerPut, []int64{t.now, after(t.now, ttl)}); put != nil {
			put.BindText(3, w.ID)
			put.BindBytes(4, data)
			t.run(put)
		}
		if done > 0 {
			t.execText(sqlOrderDone, w.ID, done)
		}
		for r := t.queryText(sqlOrderList, w.ID, t.now); r.next(); {
			o := fleetstore.Order{Worker: w.ID, Seq: r.int(0)}
			if err := o.Decode(r.bytes(1)); err != nil {
				bad = err
			}
			orders = append(orders, o)
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("heartbeat of worker %s: %w", w.ID, err)
	}
	return orders, nil
}

// Leave implements fleetstore.Store.
func (s fleet) Leave(ctx context.Context, id string) error {
	err := s.p.writer.do(ctx, 1, func(t *tx) {
		t.execText(sqlWorkerDelete, id)
		t.execText(sqlOrderDelete, id)
	})
	if err != nil {
		return fmt.Errorf("remove worker %s: %w", id, err)
	}
	return nil
}

// List implements fleetstore.Store.
func (s fleet) List(ctx context.Context) (all []*fleetstore.Worker, err error) {
	now := s.p.clock.Now().UnixNano()
	err = s.p.reader.do(ctx, now, func(t *tx) {
		for r := t.query(sqlWorkerList, now); r.next(); {
			all = append(all, fleetstore.DecodeWorker(r.text(0), time.Unix(0, r.int(1)), r.bytes(2)))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return all, nil
}

// Send implements fleetstore.Store.
func (s fleet) Send(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
	data, err := o.Encode()
	if err != nil {
		return fmt.Errorf("order to worker %s: %w", o.Worker, err)
	}
	var seq int64
	err = s.p.writer.do(ctx, 1, func(t *tx) {
		seq = 0
		lives := t.queryText(sqlWorkerLives, o.Worker, t.now)
		if !lives.next() {
			return
		}
		lives.done()
		if put := t.prepare(sqlOrderPut, []int64{after(t.now, ttl)}); put != nil {
			put.BindText(2, o.Worker)
			put.BindBytes(3, data)
			t.run(put)
			seq = t.c.lastID()
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("order to worker %s: %w", o.Worker, err)
	case seq == 0:
		return fmt.Errorf("%w: %s", fleetstore.ErrWorkerNotFound, o.Worker)
	}
	o.Seq = seq
	return nil
}

// PutTypes implements fleetstore.Store.
func (s fleet) PutTypes(ctx context.Context, types []fleetstore.Type, ttl time.Duration) error {
	bodies := make([][]byte, len(types))
	for i := range types {
		var err error
		if bodies[i], err = types[i].Encode(); err != nil {
			return fmt.Errorf("type %s: %w", types[i].Name, err)
		}
	}
	err := s.p.writer.do(ctx, len(types), func(t *tx) {
		for _, body := range bodies {
			t.putType(body, after(t.now, ttl))
		}
	})
	if err != nil {
		return fmt.Errorf("describe types: %w", err)
	}
	return nil
}

// putType puts the description of a type behind all others.
func (t *tx) putType(body []byte, until int64) {
	sum := fleetstore.Sum(body)
	t.execText(sqlTypeDelete, sum)
	if put := t.prepare(sqlTypePut, []int64{until}); put != nil {
		put.BindText(2, sum)
		put.BindBytes(3, body)
		t.run(put)
	}
}

// Types implements fleetstore.Store.
func (s fleet) Types(ctx context.Context) (types []fleetstore.Type, err error) {
	now := s.p.clock.Now().UnixNano()
	var bad error
	err = s.p.reader.do(ctx, now, func(t *tx) {
		for r := t.query(sqlTypeList, now); r.next(); {
			var described fleetstore.Type
			if err := described.Decode(r.bytes(0)); err != nil {
				bad = err
			}
			types = append(types, described)
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("list types: %w", err)
	}
	return types, nil
}

// pruneFleet removes what has expired.
func (t *tx) pruneFleet() {
	t.exec(sqlWorkerPrune, t.now)
	t.exec(sqlOrderPrune, t.now)
	t.exec(sqlTypePrune, t.now)
}
