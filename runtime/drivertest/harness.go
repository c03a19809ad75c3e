package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Law is one of the promises that a provider is held to. The laws 1 to 16 are
// those of the package comment.
type Law int

// The laws. Contract stands for what the doc comments of package runtime promise
// beside them: round trips, validation, wake-ups, closing, operations that a
// queue need not have.
const (
	Contract Law = iota
	NothingIsLost
	LeasesHold
	StaleReceipts
	NeverEarly
	PublishBeforeAck
	PoisonDoesNotLoop
	CrashesAreNotFailures
	OrderWherePromised
	UniqueMeansTold
	AcksSurviveTrouble
	StoppingIsClean
	StatsTellTheTruth
	ADeployIsNoFault
	DoneStaysDone
	DrainsInTrouble
	DiesOfItsOwnRuns
)

var lawTexts = [...]string{
	"the contract in detail",
	"nothing is lost",
	"leases hold",
	"stale receipts change nothing",
	"never early",
	"publish before ack",
	"poison does not loop",
	"crashes are not failures",
	"order where promised",
	"unique means told",
	"an ack survives trouble",
	"stopping is clean",
	"stats tell the truth",
	"a deploy is not a fault",
	"what is done stays done",
	"a full, slow or frozen backend still drains",
	"a task dies only of its own runs",
}

// String is the law's number and text: "law 3: stale receipts change nothing".
func (l Law) String() string {
	if l == Contract {
		return lawTexts[Contract]
	}
	return fmt.Sprintf("law %d: %s", int(l), lawTexts[l])
}

// A Home says where the tasks of a provider live, and so what a test can take
// away from it.
type Home string

// The homes of tasks.
const (
	// InProcess: with the Provider value. They end with it, and no other
	// process can see them.
	InProcess Home = "process"
	// InFile: in a file that processes share, with no broker between.
	InFile Home = "file"
	// OnServer: with a broker.
	OnServer Home = "server"
)

// A Harness tells the suite how to get at one provider. Name, Home, Data and
// Open are required. Its functions are called by many tests at once.
type Harness struct {
	// Name of the provider, for the table and for the child processes.
	Name string
	// Home of the tasks.
	Home Home

	// Data makes room for one test that no other test shares, and returns its
	// address: a file name, a URL with a prefix of its own. It removes what it
	// made by tb.Cleanup.
	Data func(tb testing.TB) (addr string)
	// Open returns a provider on the data at addr, which keeps time by clock; on
	// SystemClock where UsesClock is false. It is called several times with the
	// same address, for the handles of other processes and to open the data
	// again, and in child processes. With Home InProcess it is called once for
	// each address.
	Open func(addr string, clock driver.Clock) (runtime.Provider, error)
	// UsesClock says that the provider keeps time by the clock that Open is
	// given. The suite then moves time in place of waiting.
	UsesClock bool

	// Type is the type of queue that the suite opens where a test is of no type in
	// particular; "" is standard. A provider whose types of queue differ in what
	// they can do has one harness for each, with a Name and a Type of its own: the
	// suite then leaves the tests of one other type to the other harnesses. With
	// "" they are all run.
	Type driver.QueueType

	// Network returns the way to the backend at addr, which tests disturb. Every
	// provider that is opened at addr goes that way. Nil: it cannot be disturbed,
	// which needs a downgrade where the Home is OnServer.
	Network func(tb testing.TB, addr string) Network
	// Cut takes the backend at addr away from everybody, as a cut network does,
	// until restore is called. Nil: by Network, where that is set; else it cannot
	// be, which needs a downgrade.
	Cut func(tb testing.TB, addr string) (restore func())
	// Swallow has the way to the backend at addr swallow all that is sent in either
	// direction, and tell nobody, until restore is called. Connections that were there
	// and those made meanwhile stay like that for good; new ones pass after restore.
	// Nil: the tests are left out, and the table says so.
	Swallow func(tb testing.TB, addr string) (restore func())
	// Raw puts a message onto q, a queue at addr, whose bytes are body, as another
	// program may. It returns false for bytes that the broker refuses. Nil: nothing but
	// tasks can be on a queue of the provider.
	Raw func(tb testing.TB, addr string, q driver.Queue, body []byte) (taken bool)
	// MaxRaw is how many bytes such a message may have; 0 is 1 MiB.
	MaxRaw int
	// Alone is like Data, on a broker that no other test shares. It is for tests
	// that restart or kill the broker. Nil: Data does already.
	Alone func(tb testing.TB) (addr string)
	// Restart stops the broker at addr, which is one that Alone gave, and starts it
	// again on the same data, in good order. It may return before the broker takes
	// connections. It is for providers with Home OnServer; nil there needs a
	// downgrade.
	Restart func(tb testing.TB, addr string)
	// Crash is like Restart, but the broker is killed (kill -9).
	Crash func(tb testing.TB, addr string)
	// Fill fills the backend at addr, which is one that Alone gave: until empty is
	// called it takes no new task of 64 kB, as a broker whose memory is full or a disk
	// that is. Empty may be called twice. Nil: it cannot be filled.
	Fill func(tb testing.TB, addr string) (empty func())
	// Jams says that until empty is called a full backend may take no retry and no
	// burial either, for which the queue then answers ErrQueueFull, and that what is
	// released as it was may stay with its process.
	Jams bool
	// Large is how many bytes the payloads have that the suite calls large, 1 MB or
	// less: 40 of them are worked off, by batches of a bounded size, over 10 MB a
	// second where the Network has a method Rate(bytesPerSecond int). 0: they are not.
	Large int
	// Cost tells how much work the backend has done for p up to now, in what it
	// can count: statements, rows, round trips. The suite asks it around Stats.
	// Nil: it cannot be told, and the table says so.
	Cost func(p runtime.Provider) int64

	// Downgrades names the laws that the provider cannot keep in full, each with
	// the reason. The suite leaves out the tests of such a law which need what
	// the provider does not have, runs the others, and prints the reason. A test
	// that has to be left out of a law without a downgrade fails, and so does a
	// downgrade for which no test is left out.
	Downgrades map[Law]string

	maxBatch int // bytes of large tasks in one Dequeue; 0: maxBatch

	can   driver.Capabilities // of a queue of Type, found out by lacks
	types []driver.QueueType  // that can be opened, found out by lacks
}

// A Network is the way between the providers of one test and their broker, to be
// disturbed. Package internal/faultproxy of this module has one.
type Network interface {
	// Cut drops every connection and lets none through until Heal.
	Cut()
	// Heal ends Cut, Mute and Sever.
	Heal()
	// Mute lets requests pass and swallows the replies, until Heal. A connection is
	// dropped shortly after a reply of its was lost.
	Mute()
	// Sever drops every connection, once, when that many bytes more have passed
	// toward the broker.
	Sever(afterBytes int)
	// Delay makes every round trip longer by rtt.
	Delay(rtt time.Duration)
	// Trips counts the round trips up to now.
	Trips() int64
}

// cut is Cut, or what Network gives in its place; else nil.
func (h *Harness) cut() func(tb testing.TB, addr string) (restore func()) {
	if h.Cut != nil || h.Network == nil {
		return h.Cut
	}
	return func(tb testing.TB, addr string) func() {
		n := h.Network(tb, addr)
		n.Cut()
		return n.Heal
	}
}

func (h *Harness) validate() error {
	switch {
	case h.Name == "" || h.Data == nil || h.Open == nil:
		return fmt.Errorf("drivertest: a Harness needs Name, Data and Open")
	case h.Home != InProcess && h.Home != InFile && h.Home != OnServer:
		return fmt.Errorf("drivertest: the Harness of %s has the unknown Home %q", h.Name, h.Home)
	}
	switch {
	case h.Type != "" && h.Type != runtime.Standard && h.Type != runtime.FIFO && h.Type != runtime.Priority:
		return fmt.Errorf("drivertest: the Harness of %s has the unknown Type %q", h.Name, h.Type)
	case h.Home != OnServer && (h.Alone != nil || h.Restart != nil || h.Crash != nil):
		return fmt.Errorf("drivertest: the Harness of %s has Alone, Restart or Crash, and Home %q: they are for brokers", h.Name, h.Home)
	}
	for law, reason := range h.Downgrades {
		if law < Contract || int(law) >= len(lawTexts) || reason == "" {
			return fmt.Errorf("drivertest: the Harness of %s downgrades %d with the reason %q: name a law and say why", h.Name, int(law), reason)
		}
	}
	return nil
}
