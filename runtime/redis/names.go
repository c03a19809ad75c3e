package redis

import (
	"strings"

	"github.com/taskgen/taskgen/internal/escape"
)

// A keyID names one key of a keyspace, as the scripts call it.
type keyID int

const (
	keyMeta     keyID = iota // hash: type, levels, dlq, paused, token, seq, large (1: some tasks may be large)
	keyBody                  // hash: ID → envelope
	keyDue                   // sorted set: ID of what is not due yet, by time; of the dead all that wait
	keyLease                 // sorted set: "token.ID", by the end of the lease
	keyCrash                 // hash: ID → how many leases ended with nothing said; absent: none
	keyWake                  // list: one signal for one blocked process, or nothing
	keyUID                   // hash: ID → unique key it gives back when it is done
	keyUniq                  // hash: unique key → "due until ID" of its holder
	keyWins                  // sorted set: unique keys with a window, by its end
	keyLine                  // hash: ID → level or group
	keyOrder                 // sorted set: the line of a fifo queue, "group NUL seq ID"
	keyGroup                 // hash: group → 1 in turn, 0 busy
	keyTurn                  // list: groups whose head may go
	keyAge                   // sorted set: ready tasks of a fifo queue, by when they became so
	keyCopies                // sorted set: names of dead tasks whose ID died before
	keySources               // set: queues whose dead letter queue this one is
	keyEnded                 // sorted set: "token.ID" of leases that ended with nothing said, by when; for an hour
	keyDeadBody              // the same keys of the queue's dead
	keyDeadDue
	keyDeadCrash
	keyDeadCopies
	keyDeadWake
	keyInbox // list: envelopes that other programs have put there
	keyCount
)

// keyNames are the names that the headers of the scripts use.
var keyNames = [keyCount]string{
	"meta", "body", "due", "lease", "crash", "wake", "uid", "uniq", "wins", "line", "order", "group", "turn", "age", "copies", "sources", "ended",
	"dead_body", "dead_due", "dead_crash", "dead_copies", "dead_wake", "inbox",
}

// The keys of a scheduler's jobs.
const (
	jobVersion keyID = iota // hash: ID → version
	jobEntry                // hash: ID → owner, a line feed, and the entry
	jobNoted                // hash: ID → the time of a firing and what a worker recorded about it
	jobAlarm                // sorted set: IDs by when they are due, or their lease ends
	jobForget               // sorted set: IDs by when they are removed
	jobIDs                  // sorted set: IDs in their order
	jobOwned                // sorted set: "owner NUL ID" in that order
	jobWake                 // list: one signal for one scheduler, or nothing
	jobTurn                 // sorted set: "needs NUL when NUL ID" in that order
	jobPlace                // hash: ID → what a scheduler must have to fire it, of those in jobAlarm
	jobHead                 // sorted set: needs by when their first job is due
	jobKeyCount
)

var jobKeyNames = [jobKeyCount]string{"version", "entry", "noted", "alarm", "forget", "ids", "owned", "wake", "turn", "place", "head"}

// jobKeys builds the keys of jobs, by keyID. All are in one slot.
func jobKeys(prefix string) [jobKeyCount]string {
	var keys [jobKeyCount]string
	for id, name := range jobKeyNames {
		keys[id] = "{" + prefix + "}:jobs:" + name
	}
	return keys
}

// The keys of the dead tasks that are kept for a dlq.TaskStore.
const (
	letterBody  keyID = iota // hash: ID → envelope
	letterOrder              // sorted set: IDs in the order in which they were put
	letterKeyCount
)

var letterKeyNames = [letterKeyCount]string{"body", "order"}

// letterKeys builds the keys of kept dead tasks, by keyID. All are in one slot.
func letterKeys(prefix string) [letterKeyCount]string {
	var keys [letterKeyCount]string
	for id, name := range letterKeyNames {
		keys[id] = "{" + prefix + "}:letters:" + name
	}
	return keys
}

// The keys of workers.
const (
	fleetWorker  keyID = iota // string: what the worker said last, after its time to live in ms and a line feed
	fleetOrders               // sorted set: "place end text" of the orders to the worker, by place
	fleetWorkers              // set: IDs of workers, and of some that are gone
	fleetTypes                // hash: sum → description of a type
	fleetPlaces               // sorted set: sums in the order in which they were put
	fleetEnds                 // sorted set: sums by when they expire
	fleetKeyCount
)

var fleetKeyNames = [fleetKeyCount]string{"worker", "orders", "workers", "types", "places", "ends"}

// fleetKeys builds the keys of workers, by keyID. The first two are those of one worker.
// All are in one slot.
func fleetKeys(prefix, worker string) [fleetKeyCount]string {
	var keys [fleetKeyCount]string
	for id, name := range fleetKeyNames {
		keys[id] = "{" + prefix + "}:fleet:" + name
	}
	keys[fleetWorker] += ":" + worker
	keys[fleetOrders] += ":" + worker
	return keys
}

// The keys of what became of tasks.
const (
	historyState   keyID = iota // hash: the numbers of the first and the last chunk, and the bytes of all
	historyChunks               // hash: number of a chunk → when it was begun, when it expires, both in ms, and its size
	historyIndexes              // hash: number of a chunk → its index
	historyBodies               // hash: number of a chunk → its records
	historyKeyCount
)

var historyKeyNames = [historyKeyCount]string{"state", "heads", "indexes", "bodies"}

// historyKeys builds the keys of a history, by keyID. All are in one slot.
func historyKeys(prefix string) [historyKeyCount]string {
	var keys [historyKeyCount]string
	for id, name := range historyKeyNames {
		keys[id] = "{" + prefix + "}:history:" + name
	}
	return keys
}

// tag is the part of a queue's keys that decides their slot in a Cluster. Braces in the
// queue's name would end it, and a colon would be taken for the one that ends the
// prefix: different prefixes and queues have different tags.
func tag(prefix, queue string) string {
	return "{" + prefix + ":" + escape.Text(queue, '%', escape.But("{}:")) + "}"
}

// queueKeys builds the keys of a queue, or of its dead, by keyID. All have the
// hash tag of the queue, and its hash meta.
func queueKeys(prefix, queue string, dead bool) [keyCount]string {
	base := tag(prefix, queue) + ":"
	if dead {
		base += "dead:"
	}
	var keys [keyCount]string
	for id, name := range keyNames {
		if of, ok := strings.CutPrefix(name, "dead_"); ok {
			name = "dead:" + of
		}
		keys[id] = base + name
	}
	// One source of fencing tokens for both.
	keys[keyMeta] = tag(prefix, queue) + ":meta"
	return keys
}

// listKey builds the key of one level's list of ready IDs.
func listKey(prefix, queue string, level string) string {
	return tag(prefix, queue) + ":ready:" + level
}

// resultKey builds the key of a task's result, which is also the name of the
// channel that tells of it.
func resultKey(prefix, id string) string {
	return prefix + ":result:{" + escape.Text(id, '%', escape.But("{}")) + "}"
}

// escapeGroup makes a group key one without NUL bytes, in which no key is the
// beginning of another one's range.
func escapeGroup(group string) string {
	if !strings.ContainsAny(group, "\x00\x01") {
		return group
	}
	return groupEscaper.Replace(group)
}

var groupEscaper = strings.NewReplacer("\x00", "\x01\x02", "\x01", "\x01\x01")
