package nats

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// What is done must not come back when the server is killed. The server keeps
// messages in files of a few megabytes and notes at the end of the last one what was
// deleted. A file whose messages are all gone is removed, and nothing of it can come
// back. One in which some are left is read again after a kill, and may lose notes in
// that (seen up to 2.15.2): a second kill soon after brings deleted messages back.
// So:
//
//   - Nothing is left that keeps old files alive: what waits for long, schedules and
//     records of keys, is stored anew when much around it is gone (see gather). The
//     earlier copy goes in the same step of the server's.
//   - What came back all the same is taken away: a message that its consumer has
//     had acknowledged is delivered to nobody and counted by nobody, and yet holds its
//     key and its ID (see sweep).

const (
	// tidyEvery is how often a Dequeue looks whether there is something to tidy up:
	// 1 request.
	tidyEvery = 2 * time.Second
	// ghostsEvery is how often it looks for ghosts without a cause. Servers of a
	// cluster are killed unnoticed.
	ghostsEvery = 30 * time.Second
	// gapsMin is how many gaps in a stream are let be.
	gapsMin = 64
	// pagesMost bounds what one call of gather stores of each place.
	pagesMost = 4
	// aboutToFire are schedules that are left where they are.
	aboutToFire = 2 * time.Second
)

// A streamState is what we need of a stream's.
type streamState struct {
	Msgs  uint64 `json:"messages"`
	Bytes uint64 `json:"bytes"`
	First uint64 `json:"first_seq"`
	Last  uint64 `json:"last_seq"`
	Gaps  uint64 `json:"num_deleted"`
}

// state asks for the state of the stream.
func (s *source) state(ctx context.Context) (streamState, error) {
	var a struct {
		State streamState `json:"state"`
	}
	err := s.wire.one(ctx, "STREAM.INFO."+s.names.stream, struct{}{}, &a)
	return a.State, err
}

// housekeepingDue reports whether tidy or adoptStrays has something to do. It is cheap.
func (s *source) housekeepingDue(now time.Time) bool {
	if !s.tidying.TryLock() {
		return false // somebody is at it
	}
	defer s.tidying.Unlock()
	return s.wire.nc.Stats().Reconnects != s.connects || now.Sub(s.tidied) >= tidyEvery || now.Sub(s.looked) >= ghostsEvery
}

// tidy does what is due of gather and sweep. One call at a time is enough.
func (s *source) tidy(ctx context.Context) error {
	if !s.tidying.TryLock() {
		return nil
	}
	defer s.tidying.Unlock()
	now, connects := time.Now(), s.wire.nc.Stats().Reconnects
	crashed := connects != s.connects
	if !crashed && now.Sub(s.tidied) < tidyEvery {
		return nil
	}
	s.tidied = now
	if crashed || now.Sub(s.searched) >= ghostsEvery {
		if _, err := s.sweep(ctx); err != nil {
			return err
		}
		s.searched, s.connects = now, connects
	}
	return s.gather(ctx)
}

// tidyAll is tidy without a look at the time, for a queue that is opened.
func (s *source) tidyAll(ctx context.Context) error {
	if !s.tidying.TryLock() {
		return nil // somebody is at it, it may be who has found that the stream is gone
	}
	s.tidied, s.searched = time.Time{}, time.Time{}
	s.tidying.Unlock()
	return s.tidy(ctx)
}

// gather stores schedules and records of keys anew when the stream has many more
// gaps than messages, so that no file is kept alive by a few of them. It costs less
// than one request for two tasks that were done.
func (s *source) gather(ctx context.Context) error {
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	if st.Gaps < gapsMin || st.Gaps < 2*st.Msgs || st.Last < s.gathered+gapsMin+2*st.Msgs {
		return nil
	}
	// Earlier builds keep a message at the front of each stream.
	if _, err := s.wire.purge(ctx, s.names.stream, s.all(placeAnchor)); err != nil {
		return err
	}
	places := []string{strings.TrimSuffix(placeScheduled, ".") + ".*", placeKey}
	if s.kind == driver.FIFO {
		places = append(places, placeWaiting)
	}
	for _, place := range places {
		pages := 0
		for after := st.First - 1; after < st.Last; pages++ {
			if pages == pagesMost {
				return nil // the rest next time
			}
			page, err := s.list(ctx, stretch{s.all(place), after + 1, st.Last}, 0, batchSize)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].seq
			var rs []*request
			for _, m := range page {
				if r := s.renewed(m, time.Now()); r != nil {
					rs = append(rs, r)
				}
			}
			// One that is refused has moved in this moment.
			if err := s.wire.ask(ctx, rs, nil); err != nil {
				return err
			}
		}
	}
	s.gathered = st.Last
	return nil
}

// renewed is a request that stores a message anew in its own place; nil for one
// that is about to leave it.
func (s *source) renewed(m *stored, now time.Time) *request {
	place, rest, ok := s.split(m.subject)
	if !ok {
		return nil
	}
	if place == placeKey {
		c := parseClaim(m.data)
		if !c.Sure || now.UnixNano() >= c.Until {
			return nil // its writer is at it, or it goes by its TTL
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

// sweep takes away the ghosts, and returns how many there were: messages that
// a consumer has had acknowledged, all up to its floor. The floors that are asked for
// at first only say where to look. What is there is judged by ghosts. Ghosts are deleted
// by their sequence, and a sequence is never used again.
func (s *source) sweep(ctx context.Context) (n int, err error) {
	pulled, _ := s.consumers()
	states, err := s.wire.infos(ctx, s.names.stream, pulled...)
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
			continue // as that of a consumer that has had nothing acknowledged: 0
		}
		for _, pattern := range s.servedBy(c) {
			for {
				page, err := s.list(ctx, stretch{pattern, st.First, floor}, 0, batchSize)
				if err != nil {
					return n, err
				}
				is, err := s.ghosts(ctx, page)
				if err != nil {
					return n, err
				}
				var ghosts []*stored
				for k, m := range page {
					if is[k] {
						_, rest, _ := s.split(m.subject)
						ghosts, groups = append(ghosts, m), append(groups, groupOf(rest))
					}
				}
				gone, err := s.discard(ctx, ghosts)
				n += gone
				if err != nil {
					return n, err
				}
				if gone == 0 { // none, or some of which a replica has not heard that they are gone
					break
				}
			}
		}
	}
	if s.kind != driver.FIFO {
		return n, nil
	}
	// Groups that have lost their head to a kill when there was no room for the next.
	line, err := s.list(ctx, stretch{s.all(placeLine), st.First, st.Last}, 0, batchSize)
	if err != nil {
		return n, err
	}
	for _, m := range line {
		_, rest, _ := s.split(m.subject)
		groups = append(groups, groupOf(rest))
	}
	return n, s.kick(ctx, groups)
}

// servedBy are the patterns of what a consumer hands out.
func (s *source) servedBy(consumer string) []string {
	if consumer == headConsumer {
		return []string{s.all(placeHead), s.all(placeJoining)}
	}
	return []string{s.pulledFrom(consumer)}
}

// discard deletes messages, and returns how many of them were there.
func (s *source) discard(ctx context.Context, page []*stored) (n int, err error) {
	if len(page) == 0 {
		return 0, nil
	}
	rs := make([]*request, len(page))
	for i, m := range page {
		rs[i] = s.wire.remove(s.names.stream, m.seq)
	}
	if err := s.wire.ask(ctx, rs, nil); err != nil {
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

// ghosts says of which of some messages it is certain that they are ghosts. The floors
// are asked for when the messages have been read, so that a message up to there was
// acknowledged: a floor that was asked for before says nothing of a message that was
// stored since. A floor beyond the stream's end is one whose messages the server has
// lost, and new ones come up to it again. It says nothing at all.
func (s *source) ghosts(ctx context.Context, ms []*stored) ([]bool, error) {
	is := make([]bool, len(ms))
	if !slices.ContainsFunc(ms, func(m *stored) bool { return m != nil }) {
		return is, nil
	}
	pulled, _ := s.consumers()
	states, err := s.wire.infos(ctx, s.names.stream, pulled...)
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
