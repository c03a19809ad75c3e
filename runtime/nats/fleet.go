package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

// fleet keeps workers and the orders to them in a stream with one message a subject, each
// with a time to live:
//
//	taskgen.=fleet.w.<worker>          what a worker says
//	taskgen.=fleet.o.<worker>.<order>  an order to it; its Seq is the sequence in the stream
//	taskgen.=fleet.t.<sum>             the description of a type
//
// No queue's token is "=fleet": see token.
type fleet struct {
	p            *Provider
	stream, root string

	mu    sync.Mutex
	there bool // the stream
}

var _ fleetstore.Store = (*fleet)(nil)

func newFleet(p *Provider) *fleet {
	return &fleet{p: p, stream: p.prefix + "=fleet", root: p.prefix + ".=fleet."}
}

// Fleet keeps the workers of all processes in a stream of the same server, and the orders
// to them. The server removes what has expired, within 2 s. A heartbeat costs 2 requests.
func (p *Provider) Fleet() fleetstore.Store { return p.fleet }

func (s *fleet) worker(id string) string { return s.root + "w." + token(id) }
func (s *fleet) orders(id string) string { return s.root + "o." + token(id) + "." }
func (s *fleet) types() string           { return s.root + "t." }

// lives are the headers of a message that is removed after a time.
func lives(ttl time.Duration) nats.Header {
	return nats.Header{headerTTL: {strconv.FormatInt(max(int64((ttl+time.Second-1)/time.Second), 1), 10) + "s"}}
}

// do makes a call on the stream, which it creates if it is not there.
func (s *fleet) do(ctx context.Context, f func(w *requester) error) error {
	if err := s.p.check(ctx); err != nil {
		return err
	}
	if err := s.p.beginCall(); err != nil {
		return err
	}
	defer s.p.calls.Done()
	s.mu.Lock()
	there := s.there
	s.mu.Unlock()
	err := error(nil)
	if !there {
		about := []string{apiPrefix(s.p.js.Options()), s.root}
		err = cancelOnRefusal(ctx, s.p.requester.nc, about, s.declare)
	}
	if err == nil {
		err = f(s.p.requester)
	}
	s.mu.Lock()
	s.there = err == nil || errors.Is(err, fleetstore.ErrWorkerNotFound) // look again after an error
	s.mu.Unlock()
	return unavailable(err)
}

func (s *fleet) declare(ctx context.Context) error {
	_, err := s.p.js.Stream(ctx, s.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		var limit int64
		if limit, err = s.p.bound(ctx); err != nil {
			return err
		}
		cfg := jetstream.StreamConfig{
			Name: s.stream, Description: "taskgen workers", Subjects: []string{s.root + ">"},
			Storage: jetstream.FileStorage, Replicas: max(s.p.replicas, 1), MaxMsgsPerSubject: 1,
			AllowDirect: true, AllowMsgTTL: true,
		}
		if limit > 0 {
			cfg.MaxBytes = limit
		}
		if _, err = s.p.js.CreateStream(ctx, cfg); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			err = nil // another process was faster
		}
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.stream, err)
	}
	return nil
}

// read returns all messages that match a pattern, by their subjects' last ones.
func (s *fleet) read(ctx context.Context, w *requester, pattern string) (all []*stored, err error) {
	at := make(map[string]int) // by subject: a message that is replaced meanwhile comes again
	for seq, more := uint64(1), true; more; {
		var page []*stored
		if page, more, err = w.page(ctx, s.stream, pattern, seq, maxPage); err != nil {
			return nil, err
		}
		for _, m := range page {
			if i, seen := at[m.subject]; seen {
				all[i] = nil
			}
			at[m.subject], all = len(all), append(all, m)
			seq = m.seq + 1
		}
		more = more && len(page) > 0
	}
	kept := all[:0]
	for _, m := range all {
		if m != nil {
			kept = append(kept, m)
		}
	}
	return kept, nil
}

// maxPage is how many messages one direct get asks for.
const maxPage = 256

// Heartbeat implements fleetstore.Store.
func (s *fleet) Heartbeat(ctx context.Context, worker *fleetstore.Worker, done int64, ttl time.Duration) (orders []fleetstore.Order, err error) {
	data, err := worker.Encode()
	if err != nil {
		return nil, fmt.Errorf("worker %s: %w", worker.ID, err)
	}
	err = s.do(ctx, func(w *requester) error {
		pattern := s.orders(worker.ID) + "*"
		if done > 0 {
			// Up to the sequence before seq.
			if err := w.callAPI(ctx, "STREAM.PURGE."+s.stream, map[string]any{"filter": pattern, "seq": done + 1}, nil); err != nil {
				return err
			}
		}
		put, first := publish(s.worker(worker.ID), data, guard{}, lives(ttl)), w.next(s.stream, pattern, 1)
		if err := w.roundTrip(ctx, []*request{put, first}, nil); err != nil && !put.answered() {
			return err
		}
		if _, err := put.ack(); err != nil {
			return err
		}
		if m, err := first.message(); m == nil || err != nil {
			return err
		}
		all, err := s.read(ctx, w, pattern)
		for _, m := range all {
			o := fleetstore.Order{Worker: worker.ID, Seq: int64(m.seq)}
			if err := o.Decode(m.data); err != nil {
				return err
			}
			orders = append(orders, o)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("nats: heartbeat of worker %s: %w", worker.ID, err)
	}
	return orders, nil
}

// Leave implements fleetstore.Store.
func (s *fleet) Leave(ctx context.Context, id string) error {
	err := s.do(ctx, func(w *requester) error {
		if _, err := w.purge(ctx, s.stream, s.worker(id)); err != nil {
			return err
		}
		_, err := w.purge(ctx, s.stream, s.orders(id)+"*")
		return err
	})
	if err != nil {
		return fmt.Errorf("nats: remove worker %s: %w", id, err)
	}
	return nil
}

// List implements fleetstore.Store.
func (s *fleet) List(ctx context.Context) (workers []*fleetstore.Worker, err error) {
	err = s.do(ctx, func(w *requester) error {
		all, err := s.read(ctx, w, s.root+"w.*")
		for _, m := range all {
			// A worker's ID is not always its token. One that cannot be read has that.
			id := struct {
				ID string `json:"id"`
			}{strings.TrimPrefix(m.subject, s.root+"w.")}
			_ = json.Unmarshal(m.data, &id) // what is wrong with it, DecodeWorker says
			workers = append(workers, fleetstore.DecodeWorker(id.ID, m.at, m.data))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("nats: list workers: %w", err)
	}
	return workers, nil
}

// Send implements fleetstore.Store.
func (s *fleet) Send(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
	data, err := o.Encode()
	if err != nil {
		return fmt.Errorf("order to worker %s: %w", o.Worker, err)
	}
	err = s.do(ctx, func(w *requester) error {
		there := w.last(s.stream, s.worker(o.Worker))
		if err := w.roundTrip(ctx, []*request{there}, nil); err != nil && !there.answered() {
			return err
		}
		switch m, err := there.message(); {
		case err != nil:
			return err
		case m == nil:
			return fleetstore.ErrWorkerNotFound
		}
		put := publish(s.orders(o.Worker)+rand.Text(), data, guard{}, lives(ttl))
		if err := w.roundTrip(ctx, []*request{put}, nil); err != nil && !put.answered() {
			return err
		}
		seq, err := put.ack()
		o.Seq = int64(seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("nats: order to worker %s: %w", o.Worker, err)
	}
	return nil
}

// PutTypes implements fleetstore.Store. It sends each description.
func (s *fleet) PutTypes(ctx context.Context, types []fleetstore.Type, ttl time.Duration) error {
	puts := make([]*request, len(types))
	for i := range types {
		data, err := types[i].Encode()
		if err != nil {
			return fmt.Errorf("type %s: %w", types[i].Name, err)
		}
		puts[i] = publish(s.types()+fleetstore.Sum(data), data, guard{}, lives(ttl))
	}
	err := s.do(ctx, func(w *requester) error {
		if err := w.roundTrip(ctx, puts, nil); err != nil {
			return err
		}
		for _, put := range puts {
			if _, err := put.ack(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("nats: describe types: %w", err)
	}
	return nil
}

// Types implements fleetstore.Store.
func (s *fleet) Types(ctx context.Context) (types []fleetstore.Type, err error) {
	err = s.do(ctx, func(w *requester) error {
		all, err := s.read(ctx, w, s.types()+"*")
		for _, m := range all {
			var t fleetstore.Type
			if err := t.Decode(m.data); err != nil {
				return err
			}
			types = append(types, t)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("nats: list types: %w", err)
	}
	return types, nil
}
