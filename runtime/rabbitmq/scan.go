package rabbitmq

import (
	"context"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A scan reads one of the broker's queues from its head, without acknowledging: the
// broker gives what was not taken off back to its place when the scan is over.
//
// It reads window by window, each by a consumer of its own: a consumer gets no more
// than its prefetch, and what was passed over stays with it until the end. One that
// is full is cancelled; what it has stays out, and nothing is on its way to it.
type scan struct {
	s    *session
	ch   *channel
	name string
	n    int // messages that were counted, and that are to come
	out  int // messages that were delivered and not acknowledged

	in   <-chan amqp.Delivery // of the consumer that there is; guarded by ch.rpc, as is turn
	turn int                  // its number
	held int                  // messages that it has
}

// seen is a message that a scan has read.
type seen struct {
	tag  uint64
	turn int // of the consumer that has it
}

// scanSize is how many messages are taken off by one round trip.
const scanSize = 256

// scanWindow is how many messages may be on their way to a scan.
const scanWindow = 1000

// scanWait is how long a scan waits for a message that the broker has counted.
const scanWait = 50 * time.Millisecond

// scan begins to read a queue; nil where it is empty.
func (s *session) scan(ctx context.Context, name string) (*scan, error) {
	c := &scan{s: s, name: name}
	if err := c.count(ctx); err != nil || c.n == 0 {
		return nil, err
	}
	var err error
	if c.ch, err = s.open(ctx); err != nil {
		return nil, err
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
	ctx := c.s.ctx
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

// read shows messages to wants, until it has said of scanSize of them that they are
// wanted, or of some and no more come for now. The scan is over when it wants none.
func (c *scan) read(ctx context.Context, wants func(*amqp.Delivery, seen) bool) error {
	wanted, quiet := 0, 0
	for c.n > 0 && wanted < scanSize {
		if c.held == scanWindow {
			if err := c.open(ctx); err != nil {
				return err
			}
		}
		select {
		case d, ok := <-c.in:
			if !ok {
				return errAway
			}
			c.n--
			c.out++
			c.held++
			if wants(&d, seen{d.DeliveryTag, c.turn}) {
				wanted++
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(scanWait):
			if wanted > 0 {
				return nil
			}
			if over, err := c.over(ctx, &quiet); err != nil || over {
				return err
			}
		}
	}
	return nil
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

// settle takes messages off the queue, and waits until the broker has that.
func (c *scan) settle(ctx context.Context, done []seen, takeOff func(ch *channel, tag uint64) error) error {
	for _, x := range done {
		if err := takeOff(c.ch, x.tag); err != nil {
			return err
		}
		c.out--
		if x.turn == c.turn {
			c.held--
		}
	}
	return c.barrier(ctx)
}

// ack takes a message off for good.
func ack(ch *channel, tag uint64) error { return ch.Ack(tag, false) }
