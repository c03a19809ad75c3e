package rabbitmq

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/escape"
	"github.com/taskgen/taskgen/runtime"
)

// DefaultPrefix begins the names of all queues and exchanges of a Provider.
const DefaultPrefix = "taskgen."

// The ladder of delays. A task that is not due yet waits on the step with the
// largest time that is not beyond what it has still to wait, and comes from there
// to the gate; what is left then is the same again, with less. All messages of a
// step wait equally long, so none waits behind another that is due later. With a
// factor of four between two steps, a task makes about 1.5 steps of each kind
// below its delay.
const (
	firstStep = 64 * time.Millisecond // 2^6 ms
	steps     = 11                    // to 2^26 ms, which is 18.6 hours
)

// step is how long tasks stay on the step k of the ladder.
func step(k int) time.Duration { return firstStep << (2 * k) }

// stepSlack is what is left of a task's time, at least, when it comes from a step:
// the broker takes a while from one queue to the next, and the gate makes up for
// it, which keeps the task itself until it is due.
const stepSlack = 30 * time.Millisecond

// stepFor is the step for a task that has to wait for d, none above top, or -1
// where the gate keeps it.
func stepFor(d time.Duration, top int) int {
	k := -1
	for k < top && step(k+1)+stepSlack <= d {
		k++
	}
	return k
}

// names builds the names of what a provider has in the broker. A queue of the
// user's is these queues:
//
//	<prefix><queue>            where tasks wait that are due; of a priority queue
//	                           its level 0, of a fifo queue its partition 0
//	<prefix><queue>:1, :2, …   the other levels or partitions
//	<prefix><queue>:gate       where tasks come from the ladder
//	<prefix><queue>:wait.<ms>  the steps of the ladder
//
// and an exchange <prefix><queue> that nothing is published to: its properties
// say what kind of queue it is. <prefix><queue>:backstop is an exchange, too.
//
// A colon in the queue's name is escaped, and so is a dot within the prefix. So the
// first dot ends the prefix and the first colon the name of the queue: no two
// prefixes, queues and parts make the same name.
type names struct{ prefix string }

// namesOf builds names that begin with a prefix, which a dot ends.
func namesOf(prefix string) names {
	return names{escape.Text(strings.TrimSuffix(prefix, "."), '=', escape.But(".:")) + "."}
}

// of is where the names of a queue begin.
func (n names) of(queue string) string { return n.prefix + escape.Text(queue, '=', escape.But(":")) }

const maxName = 255 // bytes, by AMQP

func (n names) line(queue string, i int) string {
	if i == 0 {
		return n.of(queue)
	}
	return n.of(queue) + ":" + strconv.Itoa(i)
}

func (n names) plan(queue string) string  { return n.of(queue) }
func (n names) grave(queue string) string { return n.of(queue) + ":dead" }
func (n names) gate(queue string) string  { return n.of(queue) + ":gate" }

// backstop is the exchange that brings to the dead letter queue what a broker takes
// off a queue by itself, as a policy may have it.
func (n names) backstop(queue string) string { return n.of(queue) + ":backstop" }

// queueOf is the queue that one of the broker's queues is a part of.
func (n names) queueOf(name string) string {
	queue, _, _ := strings.Cut(strings.TrimPrefix(name, n.prefix), ":")
	return escape.Original(queue, '=')
}

func (n names) census() string             { return n.prefix + ":census" }
func (n names) own(what, id string) string { return n.prefix + ":" + what + "." + id }
func (n names) roll() string               { return n.prefix + ":roll" }

func (n names) wait(queue string, k int) string {
	return n.of(queue) + ":wait." + strconv.FormatInt(step(k).Milliseconds(), 10)
}

// check refuses a queue whose names AMQP cannot hold.
func (n names) check(queue string) error {
	if longest := n.wait(queue, steps-1); len(longest) > maxName {
		return fmt.Errorf("%w %q: RabbitMQ has names of at most %d bytes, and %q has %d: shorten the queue's name or the prefix", runtime.ErrInvalidQueue, queue, maxName, longest, len(longest))
	}
	return nil
}
