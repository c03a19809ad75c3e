package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// jobs keeps a scheduler's jobs under keys of one slot.
type jobs struct {
	p    *Provider
	keys [jobKeyCount]string
	id   string // of this process, on signals

	mu       sync.Mutex
	waiting  map[chan struct{}]bool // waiters to be notified
	pending  bool                   // there was news, and no waiter
	received string                 // the signal of the last news: "1" or those who have had it; "" once it was handled
	watched  bool
}

var _ jobstore.Store = (*jobs)(nil)

func newJobs(p *Provider) *jobs {
	return &jobs{p: p, keys: jobKeys(p.prefix), id: uuid.NewString()[:8], waiting: make(map[chan struct{}]bool)}
}

// Jobs keeps the jobs of schedulers on the same server, for any number of processes, by
// the server's clock. An idle scheduler blocks on a key and is woken at once.
func (p *Provider) Jobs() jobstore.Store { return p.jobs }

// run sends one call.
func (s *jobs) run(ctx context.Context, script *script, args ...any) (any, error) {
	return s.p.runKeys(ctx, script, s.keys[:], args...)
}

// maxScriptPuts is how many jobs or stored letters one script writes.
const maxScriptPuts = 100

// Put implements jobstore.Store.
func (s *jobs) Put(ctx context.Context, e *jobstore.Entry) error {
	return driver.ErrorAt(s.Settle(ctx, []*jobstore.Entry{e}), 0)
}

// Settle implements jobstore.Store.
func (s *jobs) Settle(ctx context.Context, es []*jobstore.Entry) error {
	var failed driver.BatchError
	for from := 0; from < len(es); {
		part, texts, err := scriptPart(es[from:])
		var codes []int64
		if err == nil {
			codes, err = s.put(ctx, part, texts)
		}
		for i, e := range part {
			if err != nil {
				failed.Add(from+i, string(e.ID), err)
				continue
			}
			failed.Add(from+i, string(e.ID), s.outcome(ctx, e, codes[i]))
		}
		from += len(part)
	}
	return failed.OrNil()
}

// outcome is the error of one written job. The client repeats a write whose reply was
// lost, which then finds the version that it has written itself.
func (s *jobs) outcome(ctx context.Context, e *jobstore.Entry, code int64) error {
	switch code {
	case jobWritten:
		e.Version++
		return nil
	case jobMissing:
		return fmt.Errorf("%w: %s", jobstore.ErrJobNotFound, e.ID)
	case jobNoRoom:
		return fmt.Errorf("%w: redis: job %s: the server's memory is full (maxmemory), and its policy deletes nothing", driver.ErrQueueFull, e.ID)
	}
	if have, err := s.Get(ctx, e.ID); err == nil && have.Version == e.Version+1 && s.same(have, e) {
		e.Version++
		return nil
	}
	if code == jobThere {
		return fmt.Errorf("%w: %s", jobstore.ErrJobExists, e.ID)
	}
	return fmt.Errorf("%w: %s", jobstore.ErrConflict, e.ID)
}

func (s *jobs) put(ctx context.Context, es []*jobstore.Entry, texts []string) ([]int64, error) {
	args := make([]any, 0, 7*len(es))
	for i, e := range es {
		args = append(args, string(e.ID), e.Version, e.Owner, max(jobMillis(e.Wake), jobMillis(e.Leased)), jobMillis(e.Forget), e.Needs().Key(), texts[i])
	}
	reply, err := s.run(ctx, jobsPut, args...)
	if err != nil {
		return nil, err
	}
	list, ok := reply.([]any)
	if !ok || len(list) != len(es) {
		return nil, errReply
	}
	codes := make([]int64, len(list))
	for i := range list {
		if codes[i], ok = list[i].(int64); !ok {
			return nil, errReply
		}
	}
	return codes, nil
}

// Get implements jobstore.Store.
func (s *jobs) Get(ctx context.Context, id jobstore.JobID) (*jobstore.Entry, error) {
	es, err := s.read(ctx, jobsGet, string(id))
	if err == nil && len(es) == 0 {
		err = fmt.Errorf("%w: %s", jobstore.ErrJobNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	return es[0], nil
}

// List implements jobstore.Store.
func (s *jobs) List(ctx context.Context, owner string, after jobstore.JobID, limit int) ([]*jobstore.Entry, error) {
	var all []*jobstore.Entry
	for len(all) < limit {
		es, err := s.read(ctx, jobsList, owner, string(after), min(limit-len(all), maxScriptTasks), maxScriptBytes)
		if err != nil {
			return nil, err
		}
		if len(es) == 0 {
			break
		}
		all, after = append(all, es...), es[len(es)-1].ID
	}
	return all, nil
}

func (s *jobs) read(ctx context.Context, script *script, args ...any) ([]*jobstore.Entry, error) {
	reply, err := s.run(ctx, script, args...)
	if err != nil {
		return nil, err
	}
	list, ok := reply.([]any)
	if !ok {
		return nil, errReply
	}
	return parseEntries(list)
}

// Now implements jobstore.Store.
func (s *jobs) Now(ctx context.Context) (time.Time, error) {
	reply, err := s.run(ctx, jobsNow)
	if err != nil {
		return time.Time{}, err
	}
	list, ok := reply.([]any)
	if !ok || len(list) != 2 {
		return time.Time{}, errReply
	}
	return serverTime(list)
}

// serverTime reads the seconds and microseconds at the head of a reply.
func serverTime(list []any) (time.Time, error) {
	seconds, err1 := strconv.ParseInt(fmt.Sprint(list[0]), 10, 64)
	micros, err2 := strconv.ParseInt(fmt.Sprint(list[1]), 10, 64)
	if errors.Join(err1, err2) != nil {
		return time.Time{}, errReply
	}
	return time.Unix(seconds, micros*int64(time.Microsecond)), nil
}

// noteDigits is how many digits the time of a firing has in front of a note.
const noteDigits = 20

// Note implements jobstore.Store.
func (s *jobs) Note(ctx context.Context, id jobstore.JobID, run jobstore.Run) error {
	text, err := json.Marshal(run)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, jobsNote, string(id), fmt.Sprintf("%0*d", noteDigits, noteTime(run.Due)), text)
	return err
}

// noteTime is the Unix time of a firing in nanoseconds; a time that does not fit (before
// 1970 or after 2262) becomes the nearest one that does.
func noteTime(due time.Time) int64 {
	switch s := due.Unix(); {
	case s < 0:
		return 0
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return due.UnixNano()
}
