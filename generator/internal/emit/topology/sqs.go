// Package topology writes what brokers need for the queues of a package, for the tools with
// which people set brokers up: the model in, text out. Names and settings are those with
// which the provider of the runtime makes the same queues.
package topology

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// object is a JSON object. It is written with sorted keys.
type object = map[string]any

// An sqsQueue is a queue in SQS, as package sqs of the runtime makes it without a prefix.
type sqsQueue struct {
	name       string
	owner      string // the queue of the runtime that it belongs to
	dead       bool
	fifo       bool
	visibility int // seconds
	// dlq is the name of its dead letter queue, and receives after how many SQS itself moves
	// a message there. 0: never.
	dlq      string
	receives int
}

// What SQS keeps and takes at most, which the runtime uses.
const (
	sqsRetention   = int(14 * 24 * time.Hour / time.Second)
	sqsMessageSize = 1 << 20
	sqsReceives    = 1000
)

// sqsQueues are the queues in SQS, each after its dead letter queue. The first of several
// queues that share one has it.
func sqsQueues(p *model.Package) []sqsQueue {
	var all []sqsQueue
	for _, q := range p.Queues {
		q = q.WithDefaults()
		fifo, ending := q.Type == model.FIFO, ""
		if fifo {
			ending = ".fifo"
		}
		base := sqsQueue{owner: q.Name, visibility: int((q.Visibility + time.Second - 1) / time.Second)}
		dead := base
		dead.name, dead.owner, dead.dead, dead.fifo = q.DLQ+ending, q.DLQ, true, fifo
		if !slices.ContainsFunc(all, func(other sqsQueue) bool { return other.name == dead.name }) {
			all = append(all, dead)
		}
		live := base
		live.name, live.fifo, live.dlq, live.receives = q.Name+ending, fifo, dead.name, receives(&q)
		if q.Type != model.Priority {
			all = append(all, live)
		} else {
			for level := range q.Levels {
				live.name = q.Name + "--p" + strconv.Itoa(level)
				all = append(all, live)
			}
		}
		if fifo {
			later := base
			later.name = q.Name + "--later"
			all = append(all, later)
		}
	}
	return all
}

// receives is the maxReceiveCount with which SQS moves only messages that no worker gets as
// far as to bury. 0: it cannot count that far.
func receives(q *model.Queue) int {
	const spare = 20
	least := (q.MaxDeliveries+1)/2 + q.MaxDeliveries + 1
	switch {
	case least > sqsReceives:
		return 0
	case q.Type == model.FIFO: // each receive counts for tasks that only stood behind another
		return sqsReceives
	}
	return min(max(least, 2*q.MaxDeliveries+spare), sqsReceives)
}

func (q *sqsQueue) tags() map[string]string {
	tags := map[string]string{"taskgen-queue": q.owner}
	if q.dead {
		tags["taskgen-role"] = "dlq"
	}
	return tags
}

// An alarm is one on a metric of CloudWatch.
type alarm struct{ suffix, metric, what string }

// alarm is what to watch: how long the oldest task waits, or that there is a dead one.
func (q *sqsQueue) alarm() alarm {
	if q.dead {
		return alarm{"depth", "ApproximateNumberOfMessagesVisible", "There are dead tasks on " + q.name + "."}
	}
	return alarm{"age", "ApproximateAgeOfOldestMessage", "The oldest task on " + q.name + " has waited for too long."}
}

// maxAge is the age of the oldest task in seconds at which an alarm goes off by default.
const maxAge = 900

func encode(doc object) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		panic(err) // texts, numbers and containers
	}
	return b.String()
}
