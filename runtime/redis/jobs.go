package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/internal/waiters"
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

// A storedJob is the content of its entry, below a line with its owner.
type storedJob struct {
	Wake   time.Time       `json:"wake,omitzero"`
	Forget time.Time       `json:"forget,omitzero"`
	Body   json.RawMessage `json:"body"`
}

// jobMillis is a time in milliseconds, rounded up; 0 for none.
func jobMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.Add(time.Millisecond-1).UnixMilli(), 1)
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

// scriptPart returns the first entries, as many as one script writes, with their texts.
// An error is that of all of these.
func scriptPart(es []*jobstore.Entry) (part []*jobstore.Entry, texts []string, err error) {
	size := 0
	for i, e := range es[:min(maxScriptPuts, len(es))] {
		text, bad := encodeEntry(e)
		if bad == nil && strings.ContainsAny(e.Owner, "\x00\x01\n") {
			bad = fmt.Errorf("%w: the owner %q has control characters in it", jobstore.ErrInvalidJob, e.Owner)
		}
		if size += len(text); i > 0 && (bad != nil || size > maxScriptBytes) {
			return es[:i], texts, nil
		}
		texts = append(texts, text)
		if bad != nil {
			return es[:1], texts, fmt.Errorf("job %s: %w", e.ID, bad)
		}
	}
	return es[:len(texts)], texts, nil
}

// The codes of jobs_put.
const (
	jobWritten = iota
	jobMissing
	jobThere
	jobChanged
	jobNoRoom
)

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

func (s *jobs) same(a, b *jobstore.Entry) bool {
	x, err1 := encodeEntry(a)
	y, err2 := encodeEntry(b)
	return err1 == nil && err2 == nil && x == y
}

func encodeEntry(e *jobstore.Entry) (string, error) {
	body, err := e.BodyData()
	if err != nil {
		return "", err
	}
	if !json.Valid(body) { // of an unreadable job
		if body, err = json.Marshal(string(body)); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(storedJob{e.Wake.UTC(), e.Forget.UTC(), body})
	return e.Owner + "\n" + string(text), err
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

// parseEntries reads ID, version, entry, note and next time of each job.
func parseEntries(list []any) ([]*jobstore.Entry, error) {
	if len(list)%5 != 0 {
		return nil, errReply
	}
	es := make([]*jobstore.Entry, len(list)/5)
	for i := range es {
		part := list[5*i : 5*i+5]
		id, ok1 := part[0].(string)
		text, ok2 := part[2].(string)
		noted, ok3 := part[3].(string)
		version, err := strconv.ParseInt(fmt.Sprint(part[1]), 10, 64)
		if !ok1 || !ok2 || !ok3 || err != nil {
			return nil, errReply
		}
		at, err := strconv.ParseFloat(cmp.Or(fmt.Sprint(part[4]), "0"), 64)
		if err != nil {
			return nil, errReply
		}
		es[i] = parseEntry(jobstore.JobID(id), version, text)
		if ms := int64(at); ms > jobMillis(es[i].Wake) {
			es[i].Leased = time.UnixMilli(ms)
		}
		if len(noted) > noteDigits && json.Unmarshal([]byte(noted[noteDigits:]), &es[i].Noted) != nil {
			es[i].Noted = jobstore.Run{} // as if there were no note
		}
	}
	return es, nil
}

// parseEntry reads what encodeEntry made. For anything else the time is unknown: it is
// long overdue.
func parseEntry(id jobstore.JobID, version int64, text string) *jobstore.Entry {
	owner, rest, ok := strings.Cut(text, "\n")
	var stored storedJob
	if !ok || json.Unmarshal([]byte(rest), &stored) != nil {
		stored = storedJob{Wake: time.Unix(0, 1), Body: []byte(text)}
	}
	e := &jobstore.Entry{ID: id, Version: version, Owner: owner, Wake: stored.Wake, Forget: stored.Forget}
	e.SetBody(stored.Body)
	return e
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

// headPage is how many needs are read at a time.
const headPage = 256

// Claim implements jobstore.Store.
func (s *jobs) Claim(ctx context.Context, can func(jobstore.Needs) bool, limit int, lease time.Duration) (due []*jobstore.Entry, now time.Time, wait time.Duration, err error) {
	found, err := s.findDue(ctx, can, min(limit, maxScriptTasks))
	if err != nil || len(found.due) == 0 {
		s.passOn(ctx, found)
		return nil, found.now, found.wait, err
	}
	args := make([]any, 0, 3+len(found.due))
	args = append(args, min(limit, maxScriptTasks), durationMillis(lease), maxScriptBytes)
	for _, needs := range found.due {
		args = append(args, needs)
	}
	reply, err := s.run(ctx, jobsClaim, args...)
	if err != nil {
		return nil, now, 0, err
	}
	list, ok := reply.([]any)
	if !ok || len(list) < 2 {
		return nil, now, 0, errReply
	}
	if now, err = serverTime(list); err != nil {
		return nil, now, 0, err
	}
	due, err = parseEntries(list[2:])
	return due, now, 0, err // there may be more
}

// dueJobs is the result of a check for due jobs.
type dueJobs struct {
	now     time.Time
	due     []string      // the needs of due jobs that can be fired, the most overdue first
	wait    time.Duration // until the first that can be fired; negative: never
	foreign bool          // others can fire something earlier
}

// findDue reads the needs of jobs and when they are due, as far as they matter to a
// scheduler that can fire some of them, and takes up to limit.
func (s *jobs) findDue(ctx context.Context, can func(jobstore.Needs) bool, limit int) (found dueJobs, err error) {
	found.wait = -1
	for from := 0; ; from += headPage {
		reply, err := s.run(ctx, jobsHeads, from, headPage)
		if err != nil {
			return dueJobs{}, err
		}
		list, ok := reply.([]any)
		if !ok || len(list) < 2 || len(list)%2 != 0 {
			return dueJobs{}, errReply
		}
		if from == 0 {
			if found.now, err = serverTime(list); err != nil {
				return dueJobs{}, err
			}
		}
		for rest := list[2:]; len(rest) > 0; rest = rest[2:] {
			needs, ok := rest[0].(string)
			ms, err := strconv.ParseFloat(fmt.Sprint(rest[1]), 64)
			if !ok || err != nil {
				return dueJobs{}, errReply
			}
			if !can(jobstore.ParseNeeds(needs)) {
				found.foreign = true
				continue
			}
			at := time.UnixMilli(int64(ms))
			if at.After(found.now) || len(found.due) == limit {
				if len(found.due) == 0 {
					found.wait = at.Sub(found.now)
				}
				return found, nil
			}
			found.due, found.wait = append(found.due, needs), 0
		}
		if len(list) < 2+2*headPage {
			return found, nil
		}
	}
}

// passOn hands a signal on if its news cannot be fired here, unless it has been here
// before: each waiting scheduler gets the news once.
func (s *jobs) passOn(ctx context.Context, found dueJobs) {
	s.mu.Lock()
	received := s.received
	s.received = ""
	s.mu.Unlock()
	if received == "" || !found.foreign || strings.Contains(received, s.id) {
		return
	}
	_, _ = s.run(ctx, jobsPass, received+" "+s.id) // else the others check by themselves in time
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

// Wait implements jobstore.Store. One connection blocks for all waiters of the process,
// and any news wakes all of them.
func (s *jobs) Wait(ctx context.Context, _ func(jobstore.Needs) bool, d time.Duration) {
	news := make(chan struct{}, 1)
	s.mu.Lock()
	s.waiting[news] = true
	if s.pending { // something came before
		s.pending = false
		waiters.Tell(news)
	}
	if !s.watched {
		s.watched = s.p.goWatch(s.watch)
	}
	s.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-news:
	case <-timer.C:
	case <-ctx.Done():
	case <-s.p.ctx.Done():
	}
	s.mu.Lock()
	delete(s.waiting, news)
	s.mu.Unlock()
}

// watch blocks a connection until the store has a signal, while there are waiters.
func (s *jobs) watch() {
	pause := firstPause
	for s.keepWatching() {
		switch _, signal, err := s.p.block(func(string) { s.notify("") }, s.keys[jobWake]); {
		case err == nil:
			s.notify(signal)
			fallthrough
		case errors.Is(err, redis.Nil):
			pause = firstPause
		default:
			s.notify("") // a waiter that checks now will meet the error
			sleep(s.p.ctx, pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// notify wakes all waiters, or the next one, and keeps their signal.
func (s *jobs) notify(signal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if signal != "" {
		s.received = signal
	}
	s.pending = len(s.waiting) == 0
	for news := range s.waiting {
		waiters.Tell(news)
	}
}

// keepWatching reports whether there are still waiters. A watch that ends with a signal
// that no waiter got hands the signal to another process.
func (s *jobs) keepWatching() bool {
	s.mu.Lock()
	s.watched = len(s.waiting) > 0 && s.p.ctx.Err() == nil
	keepWatching, missed := s.watched, !s.watched && s.pending
	s.pending = s.pending && s.watched
	s.mu.Unlock()
	if missed { // not under the lock: the server may not answer
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.p.ctx), time.Second)
		defer cancel()
		_, _ = bounded(ctx, func(ctx context.Context) (any, error) { return s.run(ctx, jobsPass, "1") }) // else the others check by themselves in time
	}
	return keepWatching
}
