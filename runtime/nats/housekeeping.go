package nats

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A finished task must not come back when the server is killed. The server keeps
// messages in files of a few megabytes and notes at the end of the last file which
// messages were deleted. A file without messages is removed, and nothing of it can come
// back. A file with some messages left is read again after a kill, and may lose notes
// in the process (seen up to 2.15.2): a second kill soon after brings deleted messages
// back. So:
//
//   - Nothing keeps old files alive: messages that wait for long, schedules and records
//     of keys, are stored again when many around them are gone (see compact). The same
//     step of the server removes the earlier copy.
//   - Messages that come back nevertheless are removed: no consumer delivers or counts
//     a message that it had acknowledged, and yet the message holds its key and its ID
//     (see removeReappeared).

const (
	// housekeepEvery is how often a Dequeue checks whether there is something to compact: 1
	// request.
	housekeepEvery = 2 * time.Second
	// reappearedEvery is how often it looks for reappeared messages without a cause. Servers
	// of a cluster are killed unnoticed.
	reappearedEvery = 30 * time.Second
	// minGaps is how many gaps in a stream are tolerated.
	minGaps = 64
	// maxPages bounds what one call of compact stores of each place.
	maxPages = 4
	// aboutToFire is how close to its time a schedule is left where it is.
	aboutToFire = 2 * time.Second
)

// A streamState is the part of a stream's state that we need.
type streamState struct {
	Msgs  uint64 `json:"messages"`
	Bytes uint64 `json:"bytes"`
	First uint64 `json:"first_seq"`
	Last  uint64 `json:"last_seq"`
	Gaps  uint64 `json:"num_deleted"`
}

// state requests the state of the stream.
func (s *queueState) state(ctx context.Context) (streamState, error) {
	var a struct {
		State streamState `json:"state"`
	}
	err := s.requester.callAPI(ctx, "STREAM.INFO."+s.names.stream, struct{}{}, &a)
	return a.State, err
}

// housekeepingDue reports whether housekeep or handleMisaddressed has something to do. It
// is cheap.
func (s *queueState) housekeepingDue(now time.Time) bool {
	if !s.housekeeping.TryLock() {
		return false // another call does it
	}
	defer s.housekeeping.Unlock()
	return s.housekeepDueLocked(now) || s.misaddressedDueLocked(now)
}

// housekeepDueLocked and misaddressedDueLocked are called with housekeeping locked.
func (s *queueState) housekeepDueLocked(now time.Time) bool {
	return s.requester.nc.Stats().Reconnects != s.connects || now.Sub(s.lastHousekeeping) >= housekeepEvery
}

func (s *queueState) misaddressedDueLocked(now time.Time) bool {
	return now.Sub(s.lastMisaddressedSearch) >= reappearedEvery
}

// housekeep does the due work of compact and removeReappeared. One call at a time is enough.
func (s *queueState) housekeep(ctx context.Context) error {
	if !s.housekeeping.TryLock() {
		return nil
	}
	defer s.housekeeping.Unlock()
	now := time.Now()
	if !s.housekeepDueLocked(now) {
		return nil
	}
	s.lastHousekeeping = now
	if connects := s.requester.nc.Stats().Reconnects; connects != s.connects || now.Sub(s.lastReappearedSearch) >= reappearedEvery {
		if _, err := s.removeReappeared(ctx); err != nil {
			return err
		}
		s.lastReappearedSearch, s.connects = now, connects
	}
	return s.compact(ctx)
}

// housekeepNow is housekeep regardless of the time, for a queue that is opened.
func (s *queueState) housekeepNow(ctx context.Context) error {
	if !s.housekeeping.TryLock() {
		return nil // another call does it, perhaps the one that has found the stream missing
	}
	s.lastHousekeeping, s.lastReappearedSearch = time.Time{}, time.Time{}
	s.housekeeping.Unlock()
	return s.housekeep(ctx)
}

// compact stores schedules and records of keys again if the stream has many more gaps
// than messages, so that a few of them keep no file alive. It costs less than one
// request for two finished tasks.
func (s *queueState) compact(ctx context.Context) error {
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	if st.Gaps < minGaps || st.Gaps < 2*st.Msgs || st.Last < s.compactedTo+minGaps+2*st.Msgs {
		return nil
	}
	// Earlier builds keep a message at the front of each stream.
	if _, err := s.requester.purge(ctx, s.names.stream, s.all(placeAnchor)); err != nil {
		return err
	}
	places := []string{strings.TrimSuffix(placeScheduled, ".") + ".*", placeKey}
	if s.kind == driver.FIFO {
		places = append(places, placeWaiting)
	}
	for _, place := range places {
		pages := 0
		for after := st.First - 1; after < st.Last; pages++ {
			if pages == maxPages {
				return nil // the rest next time
			}
			page, err := s.list(ctx, seqRange{s.all(place), after + 1, st.Last}, 0, batchSize)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].seq
			var rs []*request
			for _, m := range page {
				if r := s.rewriteRequest(m, time.Now()); r != nil {
					rs = append(rs, r)
				}
			}
			// A refused one has just moved.
			if err := s.requester.roundTrip(ctx, rs, nil); err != nil {
				return err
			}
		}
	}
	s.compactedTo = st.Last
	return nil
}

// rewriteRequest is a request that stores a message again in its own place; nil for a
// message that is about to leave it.
func (s *queueState) rewriteRequest(m *stored, now time.Time) *request {
	place, rest, ok := s.split(m.subject)
	if !ok {
		return nil
	}
	if place == placeKey {
		c := parseClaim(m.data)
		if !c.Sure || now.UnixNano() >= c.Until {
			return nil // its writer handles it, or it expires by its TTL
		}
		_, key, _ := strings.Cut(rest, ".")
		c.key, _, _ = strings.Cut(key, ".")
		return s.record(c, guard{m.subject, m.seq})
	}
	at, err := time.Parse(scheduleLayout, strings.TrimPrefix(m.header.Get(headerSchedule), "@at "))
	if err != nil || at.Sub(now) < aboutToFire {
		return nil
	}
	header := copied(m.header)
	header[headerSchedule], header[headerTarget], header[headerRollup] = m.header[headerSchedule], m.header[headerTarget], []string{"sub"}
	return publish(m.subject, m.data, guard{s.at(anyPlace, rest), m.seq}, header)
}

// removeReappeared deletes messages that came back, and returns how many there were:
// messages that a consumer has acknowledged, all up to its floor. The floors requested first
// only say where to look; reappeared judges the messages found. They are deleted by their
// sequence, and a sequence is never used again.
func (s *queueState) removeReappeared(ctx context.Context) (n int, err error) {
	pulled, _ := s.consumers()
	states, err := s.requester.infos(ctx, s.names.stream, pulled...)
	if err != nil {
		return 0, err
	}
	st, err := s.state(ctx)
	if err != nil {
		return 0, err
	}
	var groups []string
	for i, c := range pulled {
		floor := states[i].AckFloor.Stream
		if floor < st.First {
			continue // like the floor 0 of a consumer without acknowledgements
		}
		for _, pattern := range s.servedBy(c) {
			for {
				page, err := s.list(ctx, seqRange{pattern, st.First, floor}, 0, batchSize)
				if err != nil {
					return n, err
				}
				is, err := s.reappeared(ctx, page)
				if err != nil {
					return n, err
				}
				var reappeared []*stored
				for k, m := range page {
					if is[k] {
						_, rest, _ := s.split(m.subject)
						reappeared, groups = append(reappeared, m), append(groups, groupOf(rest))
					}
				}
				gone, err := s.discard(ctx, reappeared)
				n += gone
				if err != nil {
					return n, err
				}
				if gone == 0 { // none, or a replica has not yet learned that some are gone
					break
				}
			}
		}
	}
	if s.kind != driver.FIFO {
		return n, nil
	}
	// Groups that have lost their head to a kill when there was no room for the next.
	followers, err := s.list(ctx, seqRange{s.all(placeFollowers), st.First, st.Last}, 0, batchSize)
	if err != nil {
		return n, err
	}
	for _, m := range followers {
		_, rest, _ := s.split(m.subject)
		groups = append(groups, groupOf(rest))
	}
	return n, s.ensureHeads(ctx, groups)
}

// servedBy are the patterns of the messages that a consumer hands out.
func (s *queueState) servedBy(consumer string) []string {
	if consumer == headConsumer {
		return []string{s.all(placeHead), s.all(placeJoining)}
	}
	return []string{s.pulledFrom(consumer)}
}

// discard deletes messages, and returns how many of them were there.
func (s *queueState) discard(ctx context.Context, page []*stored) (n int, err error) {
	if len(page) == 0 {
		return 0, nil
	}
	rs := make([]*request, len(page))
	for i, m := range page {
		rs[i] = s.requester.remove(s.names.stream, m.seq)
	}
	if err := s.requester.roundTrip(ctx, rs, nil); err != nil {
		return 0, err
	}
	for _, r := range rs {
		ok, err := r.removed()
		if err != nil {
			return n, fmt.Errorf("remove messages that came back: %w", err)
		}
		if ok {
			n++
		}
	}
	return n, nil
}

// reappeared reports which of some messages have certainly come back. It requests the floors
// after the messages were read, so that every message up to a floor was acknowledged:
// an earlier floor says nothing about a message stored since. A floor beyond the
// stream's end says nothing at all: the server has lost its messages, and new ones are
// reaching it again.
func (s *queueState) reappeared(ctx context.Context, ms []*stored) ([]bool, error) {
	is := make([]bool, len(ms))
	if !slices.ContainsFunc(ms, func(m *stored) bool { return m != nil }) {
		return is, nil
	}
	pulled, _ := s.consumers()
	states, err := s.requester.infos(ctx, s.names.stream, pulled...)
	if err != nil {
		return nil, err
	}
	st, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	for k, c := range pulled {
		floor := states[k].AckFloor.Stream
		if floor > st.Last {
			continue
		}
		served := s.servedBy(c)
		for i, m := range ms {
			is[i] = is[i] || m != nil && m.seq <= floor && slices.ContainsFunc(served, func(pattern string) bool {
				return strings.HasPrefix(m.subject, strings.TrimSuffix(pattern, ">"))
			})
		}
	}
	return is, nil
}
