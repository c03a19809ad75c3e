package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/internal/chunklog"
)

// A historyStore keeps what became of tasks under keys of one slot.
type historyStore struct {
	chunklog.Log
	p *Provider
}

var _ historystore.Store = historyStore{}

// History keeps what became of the tasks of all processes on the same server. Providers
// with the same prefix share it. It takes memory of the server, up to the limits that it is
// given with each batch; nothing is left when the last record has expired. A server whose
// memory is full refuses records, before it refuses tasks that are to be settled.
func (p *Provider) History() historystore.Store {
	return historyStore{chunklog.Log{Reader: historyReader{p}}, p}
}

// Add implements historystore.Store, in two round trips for each 512 KB, or one if there are
// few records.
func (s historyStore) Add(ctx context.Context, records []historystore.Record, keep historystore.Limits) error {
	pieces := chunklog.Encode(records)
	for len(pieces) > 0 {
		n, size := 0, 0
		for n < len(pieces) && (n == 0 || size+pieces[n].Len() <= maxScriptBytes) {
			size += pieces[n].Len()
			n++
		}
		if err := s.add(ctx, pieces[:n], keep); err != nil {
			return fmt.Errorf("add to the history: %w", err)
		}
		pieces = pieces[n:]
	}
	return nil
}

func (s historyStore) add(ctx context.Context, pieces []chunklog.Piece, keep historystore.Limits) error {
	age, span := max(durationMillis(keep.Age), 1), max(durationMillis(chunklog.Span(keep)), 1)
	args := make([]any, 0, 5+3*len(pieces))
	args = append(args, age, span, keep.Bytes, chunklog.Size, chunklog.Overhead)
	for _, p := range pieces {
		body := p.Body
		if p.Len() >= chunklog.Size {
			body = nil
		}
		args = append(args, p.Len(), p.Index, body)
	}
	keys := historyKeys(s.p.prefix)
	reply, err := s.p.runKeys(ctx, historyAdd, keys[:], args...)
	if err != nil {
		return err
	}
	numbers, err := codesOf(reply, len(pieces))
	if err != nil {
		return err
	}
	return s.addBodies(ctx, numbers, pieces, age+span)
}

// addBodies stores the bodies of pieces under the numbers of their chunks; 0: the script has
// done it. If it fails, those chunks have no records.
func (s historyStore) addBodies(ctx context.Context, numbers []int64, pieces []chunklog.Piece, ttl int64) error {
	key := historyKeys(s.p.prefix)[historyBodies]
	set := []any{"HSET", key}
	for i, n := range numbers {
		if n > 0 {
			set = append(set, n, pieces[i].Body)
		}
	}
	if len(set) == 2 {
		return nil
	}
	if err := s.p.begin(); err != nil {
		return err
	}
	defer s.p.calls.Done()
	_, err := request(ctx, s.p, func(ctx context.Context) ([]redis.Cmder, error) {
		return s.p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Do(ctx, set...)
			pipe.Do(ctx, "PEXPIRE", key, ttl) // the script could not, if there was none before
			return nil
		})
	})
	return err
}

// A historyReader reads the chunks of a provider's history.
type historyReader struct{ p *Provider }

// Heads implements chunklog.Reader, in one round trip.
func (r historyReader) Heads(ctx context.Context, before int64, limit int) ([]chunklog.Head, error) {
	keys := historyKeys(r.p.prefix)
	reply, err := r.p.runKeys(ctx, historyHeads, keys[:], before, limit)
	list, ok := reply.([]any)
	if err == nil && (!ok || len(list)%2 != 0) {
		err = errReply
	}
	if err != nil {
		return nil, err
	}
	heads := make([]chunklog.Head, 0, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		seq, _ := list[i].(int64)
		heads = append(heads, chunklog.Head{Seq: seq, Index: []byte(text(list[i+1]))})
	}
	return heads, nil
}

// Bodies implements chunklog.Reader, in one round trip.
func (r historyReader) Bodies(ctx context.Context, seqs []int64) ([][]byte, error) {
	if err := r.p.begin(); err != nil {
		return nil, err
	}
	defer r.p.calls.Done()
	fields := make([]string, len(seqs))
	for i, seq := range seqs {
		fields[i] = strconv.FormatInt(seq, 10)
	}
	values, err := request(ctx, r.p, func(ctx context.Context) ([]any, error) {
		return r.p.client.HMGet(ctx, historyKeys(r.p.prefix)[historyBodies], fields...).Result()
	})
	if err != nil {
		return nil, fmt.Errorf("redis: read the history: %w", err)
	}
	bodies := make([][]byte, len(values))
	for i, value := range values {
		bodies[i] = []byte(text(value))
	}
	return bodies, nil
}
