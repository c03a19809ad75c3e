package rabbitmq

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// The partitions of a fifo queue are shared among the processes that request its tasks:
// each has at most an equal part, rounded up. A process checks occasionally how many
// processes there are. A process with too many partitions gives some up; one with too
// few takes free ones, and asks the others if there are none. A partition has its own
// channel, whose end puts all tasks drawn from it back in order; the broker counts such
// a return like a crash. A partition is therefore given up only when none of its tasks
// runs or waits for its retry; a process gives up some of the partitions from which
// much was drawn and some of the others.

const (
	// sharingFor is how long after its last Dequeue a process keeps its share.
	sharingFor = 2 * time.Second
	// checkPause is the pause between two checks of a process that has its share. It is
	// longer if there are many processes.
	checkPause = 2 * time.Second
	// hungryPause is the pause of a process that has less, or has to give up some.
	hungryPause = 300 * time.Millisecond
	// checkGap is the least time between two checks.
	checkGap = 100 * time.Millisecond
	// orphaned is how often a partition is seen without a process before any process
	// takes it.
	orphaned = 4
)

// groupIdle is how long a process keeps empty partitions that no worker asks for. A
// partition from which something was drawn passes to a process that asks after
// sharingFor, or later: after eight times groupIdle for each crash that the broker
// counts of a drawn task, up to maxPatience. Else tasks that pass between processes
// that ask seldom would die of these counts.
const groupIdle = 150 * time.Millisecond

// maxPatience makes it 77 seconds.
const maxPatience = 3

// signalShares triggers a check of the partitions.
func (st *queueState) signalShares() {
	select {
	case st.recheck <- struct{}{}:
	default:
	}
}

// keepShare checks the partitions until the provider is closed.
func (st *queueState) keepShare() {
	ctx := st.ctx
	for {
		began := time.Now()
		next := time.NewTimer(st.shareOut(ctx))
		select {
		case <-st.recheck:
			select {
			case <-time.After(time.Until(began.Add(checkGap))):
			case <-ctx.Done():
			}
		case <-next.C:
		case <-ctx.Done():
		}
		next.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// sharing reports whether this process takes part in the queue. st.mu is held.
func (st *queueState) sharing(now time.Time) bool {
	return st.parts != nil && (len(st.waiters) > 0 || now.Sub(st.asked) < sharingFor)
}

// shareOut takes partitions or gives them up, and returns the time to the next check.
func (st *queueState) shareOut(ctx context.Context) time.Duration {
	now := time.Now()
	st.mu.Lock()
	st.forget()
	held := st.held()
	wants, waits := st.sharing(now), len(st.waiters) > 0
	idle := now.Sub(st.asked)
	as := ""
	if wants && held < st.share {
		as = hungry
	}
	st.mu.Unlock()
	if held == 0 && !waits {
		return time.Hour // until a worker asks
	}
	s, err := st.p.link.session(ctx)
	if err != nil {
		return hungryPause
	}
	if !waits && idle >= groupIdle && st.leaveEmpty() {
		return time.Hour
	}
	members, err := s.members(ctx)
	if err != nil {
		return hungryPause
	}
	st.share = partitions
	others := false
	if members > 1 {
		all, err := s.tallyAll(ctx, st.name, as)
		if err != nil {
			return hungryPause
		}
		if n := max(int(all.sharing), 1); wants {
			st.share = (partitions + n - 1) / n
		}
		others = all.wanting > 0 || all.sharing > 0
	}
	if !wants {
		if others {
			st.giveUp(held, idle)
		}
		return hungryPause
	}
	if held > st.share {
		st.giveUp(held-st.share, -1)
		return hungryPause
	}
	st.giveUp(0, -1)
	if held < partitions && waits {
		if err := st.takeFree(ctx, s, members, st.share-held); err != nil {
			st.refuse(err)
			return firstPause
		}
	}
	if !waits {
		return groupIdle
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.held() < st.share {
		return hungryPause
	}
	return checkPause + time.Duration(members)*20*time.Millisecond
}

// held counts the partitions that this process has. st.mu is held.
func (st *queueState) held() (n int) {
	for _, t := range st.parts {
		if t != nil {
			n++
		}
	}
	return n
}

// leaveEmpty gives up all partitions if none of their tasks is here.
func (st *queueState) leaveEmpty() bool {
	st.mu.Lock()
	if len(st.waiters) > 0 || len(st.drawn) > 0 {
		st.mu.Unlock()
		return false
	}
	end := st.parts
	st.parts = make([]*receiver, len(st.lines))
	st.mu.Unlock()
	closeAll(end)
	return true
}

func closeAll(receivers []*receiver) {
	var closed sync.WaitGroup
	for _, t := range receivers {
		if t != nil {
			closed.Go(func() { _ = t.ch.Close() })
		}
	}
	closed.Wait()
}

// giveUp gives up n partitions. From those that it cannot give up yet, because one of
// their tasks runs, nothing more is handed out. An idle of 0 or more is how long no
// worker here has asked, and then only partitions that can go at once are given up.
func (st *queueState) giveUp(n int, idle time.Duration) {
	type load struct {
		line, drawn, counted int
		runs, rests          bool
	}
	now := time.Now()
	st.mu.Lock()
	var loads []*load
	by := make([]*load, len(st.lines))
	for line, t := range st.parts {
		if t != nil {
			by[line] = &load{line: line}
			loads = append(loads, by[line])
		}
	}
	for _, l := range st.drawn {
		if x := by[l.line]; x != nil {
			x.drawn++
			x.counted = max(x.counted, l.counted)
			x.rests = x.rests || l.until.After(now) && (l.state == resting || l.state == away && l.then == resting) || l.kept && idle < 0
			x.runs = x.runs || l.state == leased || l.state == settling
		}
	}
	rank := func(x *load) int {
		switch {
		case x.runs && !st.leaving[x.line]:
			return 3
		case x.runs:
			return 2
		case !st.leaving[x.line]:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(loads, func(a, b *load) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.drawn, b.drawn))
	})
	// Of the free ones every other one comes first, so that the work is shared, too.
	from := slices.IndexFunc(loads, func(x *load) bool { return rank(x) == 1 })
	if from >= 0 {
		var odd, even []*load
		for i, x := range loads[from:] {
			switch {
			case rank(x) > 1:
				even = append(even, x)
			case i%2 == 1:
				odd = append(odd, x)
			default:
				even = append(even, x)
			}
		}
		loads = slices.Concat(loads[:from], odd, even)
	}
	st.leaving = make(map[int]bool)
	var end []*receiver
	for _, x := range loads {
		switch {
		case n == 0 || x.rests:
			continue
		case x.runs && idle >= 0, idle >= 0 && x.drawn > 0 && idle < groupIdle<<(3*min(x.counted, maxPatience)):
			continue
		case x.runs:
			st.leaving[x.line] = true
		default:
			end = append(end, st.parts[x.line])
			st.parts[x.line] = nil
			st.drawn = slices.DeleteFunc(st.drawn, func(l *lease) bool { return l.line == x.line })
		}
		n--
	}
	st.mu.Unlock()
	closeAll(end)
	st.wake()
}

// takeFree becomes the consumer of n partitions without one. Two processes may take the
// same at once: the broker delivers to the first of them, and one that gets nothing
// leaves after a random time.
func (st *queueState) takeFree(ctx context.Context, s *session, members, n int) error {
	var free []int
	for line := range st.lines {
		st.mu.Lock()
		t := st.parts[line]
		st.mu.Unlock()
		if members <= 1 { // there is no other process
			if t == nil {
				free = append(free, line)
			}
			continue
		}
		have, err := s.consumers(ctx, st.lines[line])
		if err != nil {
			return err
		}
		switch {
		case t != nil && have > 1 && t.dry() && rand.IntN(2) == 0:
			st.drop(line, t)
		case t == nil && have == 0:
			st.orphans[line]++
			free = append(free, line)
		default:
			st.orphans[line] = 0
		}
	}
	rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	slices.SortStableFunc(free, func(a, b int) int { return cmp.Compare(st.orphans[b], st.orphans[a]) })
	errs := make([]error, len(free))
	st.mu.Lock()
	st.opening = st.held() == 0 // the oldest task goes first, from whatever partition
	st.mu.Unlock()
	defer func() {
		st.mu.Lock()
		st.opening = false
		st.mu.Unlock()
		st.wake()
	}()
	var opened sync.WaitGroup
	for i, line := range free {
		if i < n || st.orphans[line] >= orphaned {
			st.orphans[line] = 0
			opened.Go(func() { errs[i] = st.takePart(ctx, s, line) })
		}
	}
	opened.Wait()
	return cmp.Or(errs...)
}

// takePart begins to draw from a partition.
func (st *queueState) takePart(ctx context.Context, s *session, line int) error {
	t, err := st.newReceiver(ctx, s)
	if err != nil {
		return err
	}
	st.mu.Lock()
	st.parts[line] = t
	st.mu.Unlock()
	if _, err = t.open(line, partitionWindow); err == nil {
		err = t.barrier(ctx) // its waiting tasks have arrived
	}
	if err == nil {
		return nil
	}
	st.drop(line, t)
	return err
}

func (st *queueState) drop(line int, t *receiver) {
	st.mu.Lock()
	if st.parts[line] == t {
		st.parts[line] = nil
	}
	st.drawn = slices.DeleteFunc(st.drawn, func(l *lease) bool { return l.t == t })
	st.mu.Unlock()
	_ = t.ch.Close()
}

// dry reports whether no task has ever come through the receiver.
func (t *receiver) dry() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(t.consumers, func(c *consumer) bool { return c.out > 0 })
}
