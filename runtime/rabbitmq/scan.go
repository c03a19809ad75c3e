package rabbitmq

import (
	"context"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime"
)

// A scan reads a dead letter queue from its head, without acknowledging: the
// broker gives what was not taken off back to its place when the scan is over.
//
// It reads window by window, each by a consumer of its own: a consumer gets no more
// than its prefetch, and what was passed over stays with it until the end. One that
// is full is cancelled; what it has stays out, and nothing is on its way to it.
type scan struct {
	q    *Queue
	s    *session
	ch   *channel
	name string
	n    int            // messages that were counted, and that are to come
	out  int            // messages that were delivered and not acknowledged
	ids  map[string]int // how many of each are looked for; nil: all there are
	// deaths are those that the tasks of ids must have died; nil: any.
	deaths map[runtime.Death]bool
	// again says that they were counted once more, because some were not found.
	again bool

	in   <-chan amqp.Delivery // of the consumer that there is; guarded by ch.rpc, as is turn
	turn int                  // its number
	held int                  // messages that it has
}

// scanSize is how many dead tasks are moved by one round trip.
const scanSize = 256

// scanWindow is how many messages may be on their way to a scan.
const scanWindow = 1000

// scanWait is how long a scan waits for a message that the broker has counted.
const scanWait = 50 * time.Millisecond

func (q *Queue) scan(ctx context.Context, ids []string, deaths []runtime.Death) (*scan, error) {
	s, err := q.p.link.session(ctx)
	if err != nil {
		return nil, err
	}
	if err := q.awaitLetters(ctx, s); err != nil {
		return nil, err
	}
	c := &scan{q: q, s: s, name: q.p.names.line(q.cfg.DLQ, 0)}
	if err := c.count(ctx); err != nil || c.n == 0 {
		return nil, err
	}
	if c.ch, err = s.open(ctx); err != nil {
		return nil, err
	}
	if ids != nil || deaths != nil {
		c.ids = make(map[string]int, len(ids)+len(deaths))
	}
	for _, id := range ids {
		c.ids[id] = 1
	}
	if deaths != nil {
		c.deaths = make(map[runtime.Death]bool, len(deaths))
		for _, d := range deaths {
			c.deaths[d] = true
			c.ids[d.ID]++
		}
	}
	if err := c.open(ctx); err != nil {
		go c.ch.Close() // a call that was broken off may be under way
		return nil, err
	}
	return c, nil
}

// count finds out how many messages are to come, twice where there seem to be none:
// what was given back is on its way for a moment.
func (c *scan) count(ctx context.Context) (err error) {
	if c.n, err = c.s.ready(ctx, c.name); err != nil || c.n > 0 {
		return err
	}
	select {
	case <-time.After(emptyWait):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.n, err = c.s.ready(ctx, c.name)
	return err
}

// drawnWait bounds how long a scan waits for letters that a process has drawn and
// not handed out.
const drawnWait = time.Second

// awaitLetters waits until no process has letters that were drawn for a worker of
// the dead letter queue who has gone: each gives them back after deadIdleWait.
func (q *Queue) awaitLetters(ctx context.Context, s *session) error {
	for deadline := time.Now().Add(drawnWait); ; {
		all, err := s.census(ctx, q.cfg.DLQ, "")
		if err != nil || all.drawn == 0 || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(deadIdleWait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// open begins the next window.
func (c *scan) open(ctx context.Context) error {
	c.held = 0
	return c.ch.call(ctx, func() (err error) {
		if c.turn > 0 {
			if err := c.ch.Cancel(strconv.Itoa(c.turn), true); err != nil {
				return err
			}
		} else if err := c.ch.Qos(scanWindow, 0, false); err != nil {
			return err
		}
		c.turn++
		c.in, err = c.ch.Consume(c.name, strconv.Itoa(c.turn), false, false, false, false, nil)
		return err
	})
}

// barrier waits until the broker has worked through what the channel has sent, and
// has sent what was on its way.
func (c *scan) barrier(ctx context.Context) error {
	return c.ch.call(ctx, func() error { return c.ch.Qos(scanWindow, 0, false) })
}

// scanRest is how long the channel of a scan stays open. A broker keeps back
// acknowledgements that it is flooded with, and forgets those when their channel
// ends.
const scanRest = 3 * time.Second

// end gives back what was not taken off, also what the client has dropped, and
// waits for a moment until the broker counts it again: the next scan is to find it.
func (c *scan) end() {
	ctx := c.q.p.link.ctx
	_ = c.ch.call(ctx, func() error {
		if err := c.ch.Cancel(strconv.Itoa(c.turn), false); err != nil {
			return err
		}
		for range c.in {
			c.out++
		}
		if err := c.ch.Qos(scanWindow, 0, false); err != nil { // when that is answered, nothing is on its way any more
			return err
		}
		return c.ch.Nack(0, true, true)
	})
	for deadline := time.Now().Add(returnWait); c.out > 0 && time.Now().Before(deadline); <-time.After(time.Millisecond) {
		if n, err := c.s.ready(ctx, c.name); err != nil || n >= c.out {
			break
		}
	}
	time.AfterFunc(scanRest, func() { _ = c.ch.Close() })
}

// A corpse is a dead task of the scan's queue that was asked for.
type corpse struct {
	tag  uint64
	turn int // of the consumer that has it
	task *runtime.Task
	// death is the one that the task died, edited whether it has another payload now.
	death  runtime.Death
	edited bool
	raw    bool // it stands for bytes that cannot be decoded
	from   *amqp.Delivery
	body   []byte
}

// next returns some of the tasks that were asked for; none when the scan is over.
func (c *scan) next(ctx context.Context) (found []corpse, err error) {
	if c.n == 0 && len(c.ids) > 0 && !c.again {
		c.again = true
		if err := c.count(ctx); err != nil {
			return nil, err
		}
	}
	quiet := 0
	for c.n > 0 && len(found) < scanSize && (c.ids == nil || len(c.ids) > 0) {
		if c.held == scanWindow {
			if err := c.open(ctx); err != nil {
				return nil, err
			}
		}
		var d amqp.Delivery
		var ok bool
		select {
		case d, ok = <-c.in:
			if !ok {
				return nil, errAway
			}
			c.n--
			c.out++
			c.held++
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(scanWait):
			if len(found) > 0 {
				return found, nil
			}
			if over, err := c.over(ctx, &quiet); err != nil || over {
				return nil, err
			}
			continue
		}
		x := c.q.p.names.readDead(d.Body, d.MessageId, d.Headers, c.q.cfg.DLQ)
		if x.task.Metadata[runtime.MetaOriginalQueue] != c.q.cfg.Name || c.ids != nil && c.ids[x.task.ID] == 0 {
			continue
		}
		death := runtime.DeathOf(x.task)
		if c.deaths != nil && !c.deaths[death] {
			continue
		}
		found = append(found, corpse{tag: d.DeliveryTag, turn: c.turn, task: x.task, death: death, raw: x.raw, from: foreign(&d, accounts), body: d.Body})
	}
	return found, nil
}

// over reports whether somebody else was quicker, or holds the rest: nothing waits
// in the queue, and what may have been on its way here has had its time.
func (c *scan) over(ctx context.Context, quiet *int) (bool, error) {
	left, err := c.s.ready(ctx, c.name)
	if err != nil || left > 0 {
		return false, err
	}
	if *quiet++; *quiet > 3 {
		return true, nil
	}
	return false, c.barrier(ctx)
}

// drop acknowledges dead tasks, and waits until the broker has that.
func (c *scan) drop(ctx context.Context, gone []corpse) error {
	for _, x := range gone {
		if err := c.ch.Ack(x.tag, false); err != nil {
			return err
		}
		c.out--
		if x.turn == c.turn {
			c.held--
		}
		if c.ids == nil { // all are asked for
			continue
		}
		if c.ids[x.task.ID]--; c.ids[x.task.ID] <= 0 {
			delete(c.ids, x.task.ID)
		}
	}
	return c.barrier(ctx)
}

// dig takes dead tasks off their queue once f has done with them what is to be
// done, and returns their deaths. It looks for those with the given IDs, for those that
// died the given deaths, or for all where both are nil.
func (q *Queue) dig(ctx context.Context, ids []string, deaths []runtime.Death, f func(context.Context, []corpse) ([]corpse, error)) (done []runtime.Death, err error) {
	if err := q.open(); err != nil {
		return nil, err
	}
	ctx, cancel := q.bound(ctx)
	defer cancel()
	select { // two scans would hide the tasks from each other
	case q.st.digging <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	free := func() { <-q.st.digging }
	c, err := q.scan(ctx, ids, deaths)
	if c == nil {
		free()
		return nil, err
	}
	defer func() { // where ctx ends it goes on without the caller
		_ = do(ctx, func() error {
			defer free()
			c.end()
			return nil
		})
	}()
	for {
		found, err := c.next(ctx)
		if err != nil || len(found) == 0 {
			return done, err
		}
		gone, failed := f(ctx, found)
		if err := c.drop(ctx, gone); err != nil {
			return done, err
		}
		for _, x := range gone {
			done = append(done, x.death)
		}
		if failed != nil {
			return done, failed
		}
	}
}
