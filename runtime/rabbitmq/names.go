package rabbitmq

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/internal/escape"
	"github.com/taskgen/taskgen/runtime/driver"
)

// DefaultPrefix is the default prefix of the names of all queues and exchanges.
const DefaultPrefix = "taskgen."

// names builds the names of a provider's objects in the broker. A user's queue has these
// queues:
//
//	<prefix><queue>            due tasks; level 0 of a priority queue, partition 0 of a
//	                           fifo queue
//	<prefix><queue>:1, :2, …   the other levels or partitions
//	<prefix><queue>:gate       tasks that come from the ladder
//
// and an exchange <prefix><queue> to which nothing is published: its properties describe
// the type of the queue. <prefix><queue>:backstop is also an exchange. Objects that all
// queues share have names that begin with <prefix> and a colon.
//
// A colon in the queue's name is escaped, and so is a dot within the prefix. The first
// dot therefore ends the prefix and the first colon the name of the queue: no two
// combinations of prefix, queue and part have the same name.
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

func (n names) plan(queue string) string { return n.of(queue) }

// deadExchange is there for a dead letter queue, and the gates of the queues that name it are
// bound to it: the broker says whether there are any. Nothing is published to it.
func (n names) deadExchange(queue string) string { return n.of(queue) + ":dead" }

// gate is the queue of a delayRelay: where the ladder brings the tasks of a queue. Tasks wait
// there across restarts and upgrades, so it keeps its name.
func (n names) gate(queue string) string { return n.of(queue) + ":gate" }

// backstop is the exchange that routes messages to the dead letter queue that the broker
// removes from a queue by itself, for example by a policy.
func (n names) backstop(queue string) string { return n.of(queue) + ":backstop" }

// queueOf is the queue that one of the broker's queues is a part of.
func (n names) queueOf(name string) string {
	queue, _, _ := strings.Cut(strings.TrimPrefix(name, n.prefix), ":")
	return escape.Original(queue, '=')
}

func (n names) own(what, id string) string { return n.prefix + ":" + what + "." + id }

// presence is the exchange over which the processes ask one another. All versions must use
// the same one, so it keeps its old name.
func (n names) presence() string { return n.prefix + ":census" }

// presenceQueue is the queue whose consumers are the processes. All versions must count the
// same one, so it keeps its old name.
func (n names) presenceQueue() string { return n.prefix + ":roll" }

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
