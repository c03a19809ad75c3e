package redis

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// promoteEvery is how often a keyspace with work checks for due tasks and expired
	// leases. An empty keyspace checks each time.
	promoteEvery = 5 * time.Millisecond
	// recheck is the longest time between two checks of a waiting process. It is woken
	// when there are tasks, but a process that dies at the moment it is woken takes the
	// wake-up with it.
	recheck = 5 * time.Second
)

// Dequeue implements [driver.Queue]. It waits until ctx ends, however long that is;
// with a context that has already ended it does not check for tasks. More than 256
// tasks take a second round trip. It returns about 512 KB of tasks at most, at least
// one task, and less after a reply that took longer than the client waits.
func (q *queue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if err := driver.CheckDequeue(q.cfg.Name, limit, lease); err != nil {
		return nil, err
	}
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	w := &waiter{q: q}
	defer w.leave()
	for ctx.Err() == nil {
		found, err := q.poll(ctx, limit, lease)
		switch {
		case len(found.ds) > 0:
			return found.ds, nil
		case q.isClosed.Load():
			return nil, q.errClosed()
		case err != nil && ctx.Err() != nil:
			return nil, driver.ErrNoTasks
		case err != nil:
			return nil, err
		case found.again:
			continue
		}
		if err := w.wait(ctx, found); err != nil {
			return nil, err
		}
	}
	return nil, driver.ErrNoTasks
}

// A pollResult is the result of one poll of a queue's keyspaces.
type pollResult struct {
	ds        []*driver.Delivery
	again     bool // there are tasks that could not be handed out: check again
	keyspaces []*keyspace
	events    []time.Time // when each keyspace may have tasks; zero: unknown
}

const (
	// pollGrace is how long a poll may continue when its Dequeue's context ends: the
	// tasks that it has leased would have to be put back.
	pollGrace = 200 * time.Millisecond
	// pollTimeout bounds a poll with the program's client, which may wait for a reply for
	// ever.
	pollTimeout = 2 * recheck
	// putBackLimit bounds putting tasks back.
	putBackLimit = 5 * time.Second
)

// poll leases tasks of the queue's keyspaces. If the context ends and the server does not
// answer, it continues without its caller, and puts back the tasks that it gets.
func (q *queue) poll(ctx context.Context, limit int, lease time.Duration) (pollResult, error) {
	if !q.p.ownsClient {
		limited, cancel := context.WithTimeout(ctx, pollTimeout)
		defer cancel()
		ctx = limited
	}
	q.p.calls.Add(1) // in addition to that of the Dequeue
	found, err := boundedOr(ctx, q.ended, pollGrace,
		func(ctx context.Context) (pollResult, error) { return q.pollNow(ctx, limit, lease) },
		func(late pollResult) {
			defer q.p.calls.Done()
			q.putBack(late.ds)
		})
	var abandoned *abandonedError
	if !errors.As(err, &abandoned) {
		q.p.calls.Done()
	}
	return found, q.p.unavailable(err)
}

// putBack releases tasks whose caller has gone.
func (q *queue) putBack(ds []*driver.Delivery) {
	if len(ds) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), putBackLimit)
	defer cancel()
	if err := q.settleNow(ctx, ds, envelopeSize, buildRelease, q.lost); err != nil {
		q.p.logger().WarnContext(ctx, "redis: cannot put back tasks whose lease arrived too late: they return when their lease ends",
			slog.String("queue", q.cfg.Name), slog.Int("tasks", len(ds)), slog.Any("error", err))
	}
}

// pollNow is poll to its end. Its calls are not abandoned half way, as a client with
// context timeouts would do: a lease whose reply is lost would stay.
func (q *queue) pollNow(ctx context.Context, limit int, lease time.Duration) (pollResult, error) {
	if q.p.contextTimeout {
		ctx = context.WithoutCancel(ctx)
	}
	q.mu.Lock()
	keyspaces := append(make([]*keyspace, 0, 1+len(q.deadKeyspaces)), q.keyspace)
	for _, ks := range q.deadKeyspaces {
		keyspaces = append(keyspaces, ks)
	}
	q.mu.Unlock()
	q.drainInbox(ctx)
	found := pollResult{keyspaces: keyspaces, events: make([]time.Time, len(keyspaces))}
	for i, ks := range keyspaces {
		claims, err := ks.dequeue(ctx, limit, lease)
		if err != nil {
			return found, err
		}
		got := claims[0]
		if len(got.ids) > 0 {
			for _, c := range claims {
				var part []*driver.Delivery
				part, err = q.deliver(ctx, ks, c, err)
				found.ds = append(found.ds, part...)
			}
			found.again = true
			return found, err
		}
		if ks == q.keyspace && int(got.sources) != len(keyspaces)-1 {
			// The set of queues with this dead letter queue has changed.
			_, err = q.keyspaces(ctx)
			found.again = err == nil
		}
		if err != nil {
			return found, err
		}
		found.events[i] = got.event
	}
	return found, nil
}

// A claim is the tasks that one dequeue has leased.
type claim struct {
	token     string
	until     time.Time // of the leases, on this process's clock
	ids       []any
	envelopes []any
	crashes   []any     // nil: none
	event     time.Time // when there may be tasks, if there were none; zero: unknown
	sources   int64     // how many queues have this one for their dead letters
	levels    int       // the keyspace has more than it knew; nothing was leased
}

// dequeue leases up to limit tasks of the keyspace: 256, and the rest in a second round
// trip. Large tasks are fewer.
func (ks *keyspace) dequeue(ctx context.Context, limit int, lease time.Duration) ([]claim, error) {
	now := time.Now()
	promote := 0
	if last := ks.promotedAt.Load(); now.UnixNano()-last > int64(promoteEvery) && ks.promotedAt.CompareAndSwap(last, now.UnixNano()) {
		promote = 1
	}
	limitBytes := ks.readLimit.Load()
	first := ks.newCall(opDequeue, 5).add(min(limit, maxScriptTasks), durationMillis(lease), promote, limitBytes, ks.checkSizes())
	reply, err := ks.run(ctx, first)
	if err != nil {
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() && ctx.Err() == nil {
			// The network may be slow: make the next reply shorter.
			ks.readLimit.CompareAndSwap(limitBytes, max(limitBytes/4, 1))
			ks.unmarkedLarge.Store(true)
		}
		return nil, err
	}
	if limitBytes < maxScriptBytes {
		ks.readLimit.CompareAndSwap(limitBytes, min(2*limitBytes, maxScriptBytes))
	}
	c, err := readClaim(reply, now.Add(lease))
	if err != nil {
		return nil, ks.failed(first, err)
	}
	if c.levels > 0 {
		ks.setLevels(c.levels)
		return ks.dequeue(ctx, limit, lease)
	}
	claims := []claim{c}
	bytes := c.bytes()
	if len(c.ids) == 0 {
		ks.unmarkedLarge.Store(false)
	} else if bytes > maxTripBytes {
		ks.unmarkedLarge.Store(true)
	}
	if limit -= maxScriptTasks; limit <= 0 || len(c.ids) < maxScriptTasks || limitBytes < maxScriptBytes {
		return claims, nil
	}
	var calls []*call
	for ; limit > 0 && (len(calls)+1)*bytes <= maxTripBytes; limit -= maxScriptTasks {
		calls = append(calls, ks.newCall(opDequeue, 5).add(min(limit, maxScriptTasks), durationMillis(lease), 0, limitBytes, 0))
	}
	now = time.Now()
	replies, errs := ks.p.runAll(ctx, calls)
	for i := range calls {
		if errs[i] != nil {
			break // the next call gets the error; the leased tasks are handed out
		}
		c, err := readClaim(replies[i], now.Add(lease))
		if err != nil || len(c.ids) == 0 {
			break
		}
		claims = append(claims, c)
	}
	return claims, nil
}

// checkSizes is 1 if the keyspace has returned more than it should, or a reply was too
// long. A process of an older version does not mark a queue on which it puts large tasks.
func (ks *keyspace) checkSizes() int {
	if ks.unmarkedLarge.Load() {
		return 1
	}
	return 0
}

// bytes is the size of the envelopes of the claim.
func (c *claim) bytes() (n int) {
	for i := range c.envelopes {
		n += len(text(c.envelopes[i]))
	}
	return n
}

// in is the time in so many milliseconds; zero: unknown, if they are negative. Beyond a
// year is never: the caller looks again before.
func in(ms int64) time.Time {
	if ms < 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(min(ms, 365*24*3600*1000)) * time.Millisecond)
}

// readClaim reads the reply of dequeue.
func readClaim(reply any, until time.Time) (claim, error) {
	r, ok := reply.([]any)
	if !ok || len(r) == 0 {
		return claim{}, errReply
	}
	n := func(i int) int64 {
		v, _ := r[i].(int64)
		return v
	}
	switch {
	case n(0) == -1 && len(r) == 3: // paused: Resume wakes
		return claim{sources: n(1), event: in(n(2))}, nil
	case n(0) == -2 && len(r) == 2 && n(1) > 0:
		return claim{levels: int(n(1))}, nil
	case n(0) == 0 && len(r) == 3:
		return claim{sources: n(2), event: in(n(1))}, nil
	case n(0) == 1 && len(r) == 5:
		c := claim{token: text(r[1]), until: until}
		c.ids, _ = r[2].([]any)
		c.envelopes, _ = r[3].([]any)
		c.crashes, _ = r[4].([]any)
		if len(c.ids) > 0 && len(c.ids) == len(c.envelopes) && (c.crashes == nil || len(c.crashes) == len(c.ids)) {
			return c, nil
		}
	}
	return claim{}, errReply
}

// deliver decodes the leased tasks. A value that cannot be decoded goes to the dead
// letter queue; if that fails the error is added to failed.
func (q *queue) deliver(ctx context.Context, ks *keyspace, c claim, failed error) ([]*driver.Delivery, error) {
	var (
		backing = make([]driver.Delivery, 0, len(c.ids))
		ds      = make([]*driver.Delivery, 0, len(c.ids))
		b       strings.Builder
		ends    = make([]int, 0, len(c.ids))
		origin  string
	)
	if ks != q.keyspace {
		origin = ks.queue + originEnd
	}
	b.Grow(len(c.ids) * (len(origin) + len(c.token) + 1 + len(text(c.ids[0]))))
	for i := range c.ids {
		id, envelope := text(c.ids[i]), text(c.envelopes[i])
		task, err := decodeTask(envelope, id, ks.queue)
		if err != nil {
			if task, err = q.buryUndecodable(ctx, ks, c.token+"."+id, envelope, err); task == nil {
				// Buried, or else it comes back when its lease ends.
				failed = errors.Join(failed, err)
				continue
			}
		}
		b.WriteString(origin)
		b.WriteString(c.token)
		b.WriteByte('.')
		b.WriteString(id)
		ends = append(ends, b.Len())
		d := driver.Delivery{Task: task, LeaseUntil: c.until}
		if c.crashes != nil {
			d.Crashes = number(c.crashes[i])
		}
		backing = append(backing, d)
		ds = append(ds, &backing[len(backing)-1])
	}
	if len(ds) == 0 {
		return nil, failed
	}
	// The receipts share one string.
	receipts, start := b.String(), 0
	for i, d := range ds {
		d.Receipt = driver.Receipt(receipts[start:ends[i]])
		start = ends[i]
	}
	return ds, nil
}

// buryTimeout bounds the call that buries one.
const buryTimeout = 5 * time.Second

// buryUndecodable buries a leased task whose envelope cannot be decoded. On a dead letter
// queue it returns the task that now represents it, elsewhere nil.
//
// It continues when the wait of Dequeue is over: otherwise the value would come back
// after each lease.
func (q *queue) buryUndecodable(ctx context.Context, ks *keyspace, receipt, envelope string, cause error) (*driver.Task, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), buryTimeout)
	defer cancel()
	_, id, _ := strings.Cut(receipt, ".")
	task := undecodableTask(id, ks.queue, envelope, cause)
	text := string(driver.AppendEnvelope(nil, task))
	if ks.dead || q.isDLQ {
		if _, err := ks.run(ctx, ks.newCall(opRewrite, 3).add(receipt, id, text)); err != nil {
			return nil, err
		}
		return task, nil
	}
	c := ks.newCall(opBury, 5).add(1).withSendCount().add(receipt, id, text)
	_, err := ks.run(ctx, c)
	if err == nil {
		driver.Buried(ctx, task)
	}
	return nil, err
}

// undecodableTask is the task that represents an undecodable value. Its ID is the one that
// the value is stored under.
func undecodableTask(name, queue, envelope string, cause error) *driver.Task {
	if raw, why, ok := parseRejected(envelope); ok {
		envelope, cause = raw, why
	}
	return driver.Undecodable(idOf(name), queue, []byte(envelope), time.Now(), cause)
}
