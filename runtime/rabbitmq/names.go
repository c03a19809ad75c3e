package rabbitmq

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/internal/escape"
	"github.com/taskgen/taskgen/runtime/driver"
)

// DefaultPrefix begins the names of all queues and exchanges of a Provider.
const DefaultPrefix = "taskgen."

// names builds the names of what a provider has in the broker. A queue of the
// user's is these queues:
//
//	<prefix><queue>            where tasks wait that are due; of a priority queue
//	                           its level 0, of a fifo queue its partition 0
//	<prefix><queue>:1, :2, …   the other levels or partitions
//	<prefix><queue>:gate       where tasks come from the ladder
//
// and an exchange <prefix><queue> that nothing is published to: its properties
// say what kind of queue it is. <prefix><queue>:backstop is an exchange, too. What all
// queues share has names that begin with <prefix> and a colon.
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

func (n names) presence() string           { return n.prefix + ":census" }
func (n names) own(what, id string) string { return n.prefix + ":" + what + "." + id }
func (n names) presenceQueue() string      { return n.prefix + ":roll" }

// wait is a step of the ladder, queue and exchange.
func (n names) wait(k int) string {
	return n.prefix + ":wait." + strconv.FormatInt(step(k).Milliseconds(), 10)
}

// due is the exchange over which tasks leave the steps, and unclaimed the queue of those
// whose gate is not there.
func (n names) due() string       { return n.prefix + ":due" }
func (n names) unclaimed() string { return n.prefix + ":unclaimed" }

// lock is the queue that the process has which scans the ladder.
func (n names) lock() string { return n.prefix + ":scan" }

// ownWait is a step of a queue's own ladder, as earlier versions declare it.
func (n names) ownWait(queue string, k int) string {
	return n.of(queue) + strings.TrimPrefix(n.wait(k), n.prefix)
}

// check refuses a queue whose names AMQP cannot hold: these are the longest.
func (n names) check(queue string) error {
	if longest := n.ownWait(queue, steps-1); len(longest) > maxName {
		return fmt.Errorf("%w %q: RabbitMQ has names of at most %d bytes, and %q has %d: shorten the queue's name or the prefix", driver.ErrInvalidQueue, queue, maxName, longest, len(longest))
	}
	return nil
}
