package rabbitmq

import (
	"context"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A scan reads one of the broker's queues from its head, without acknowledging: when
// the scan is over, the broker returns the remaining messages to their places.
//
// It reads in windows, each with its own consumer: a consumer gets at most its
// prefetch, and keeps the messages that were passed over until the end. A full consumer
// is cancelled: it keeps its messages, and gets no new ones.
type scan struct {
	s    *session
	ch   *channel
	name string
	n    int // counted messages that are still to come
	out  int // messages that were delivered and not acknowledged

	in   <-chan amqp.Delivery // of the current consumer; guarded by ch.rpc, as is turn
	turn int                  // its number
	held int                  // messages that it has
}

// seen is a message that a scan has read.
type seen struct {
	tag  uint64
	turn int // of the consumer that has it
}

// scanSize is how many messages one round trip removes.
const scanSize = 256

// scanWindow is how many messages may be on their way to a scan.
const scanWindow = 1000

// scanWait is how long a scan waits for a message that the broker has counted.
const scanWait = 50 * time.Millisecond

// scan begins to read a queue; nil if it is empty.
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
		go c.ch.Close() // a call that was abandoned may be under way
		return nil, err
	}
	return c, nil
}

// count counts the messages, twice if there seem to be none: returned messages are
// invisible for a moment.
func (c *scan) count(ctx context.Context) (err error) {
	if c.n, err = c.s.ready(ctx, c.name); err != nil || c.n > 0 {
		return err
	}
	select {
	case <-time.After(emptyWait):
	case <-ctx.Done():
		return ended(ctx)
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

// barrier waits until the broker has processed everything that the channel has sent, and
// delivered the messages in transit.
func (c *scan) barrier(ctx context.Context) error {
	return c.ch.call(ctx, func() error { return c.ch.Qos(scanWindow, 0, false) })
}

// scanRest is how long the channel of a scan stays open. A flooded broker delays
// acknowledgements, and drops them when their channel ends.
const scanRest = 3 * time.Second

// end gives back the messages that were not removed, including those that the client has
// dropped, and waits a moment until the broker counts them again, for the next scan.
func (c *scan) end() {
	ctx := c.s.ctx
	_ = c.ch.call(ctx, func() error {
		if err := c.ch.Cancel(strconv.Itoa(c.turn), false); err != nil {
			return err
		}
		for range c.in {
			c.out++
		}
		if err := c.ch.Qos(scanWindow, 0, false); err != nil { // once this is answered, no message is in transit
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

// read passes messages to wants, until it wants scanSize of them, or some and no more
// come for now. The scan is over if it wants none.
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
			return ended(ctx)
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

// over reports whether another process was faster, or has the rest: the queue is empty,
// and messages in transit have had time to arrive.
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

// settle removes messages from the queue, and waits until the broker has processed that.
func (c *scan) settle(ctx context.Context, done []seen, takeOff func(ch *channel, tag uint64) error) error {
	for _, x := range done {
		if err := takeOff(c.ch, x.tag); err != nil {
			return unavailable(err)
		}
		c.out--
		if x.turn == c.turn {
			c.held--
		}
	}
	return c.barrier(ctx)
}

// ack removes a message for good.
func ack(ch *channel, tag uint64) error { return ch.Ack(tag, false) }
