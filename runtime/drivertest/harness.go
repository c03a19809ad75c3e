package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Law is one of the promises that a provider must keep. The laws 1 to 16 are those of
// the package comment.
type Law int

// The laws. Contract is the promises of package runtime's doc comments beyond them:
// round trips, validation, wake-ups, closing, and optional operations.
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
	DuplicatesAreReported
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
	"duplicates are reported",
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

// A Home says where the tasks of a provider live, and so what a test can take away from
// it.
type Home string

// The homes of tasks.
const (
	// InProcess: with the Provider value. They end with it, and no other process can
	// see them.
	InProcess Home = "process"
	// InFile: in a file that processes share, with no broker between.
	InFile Home = "file"
	// OnServer: with a broker.
	OnServer Home = "server"
)

// A Harness gives the suite access to one provider. Name, Home, Data and Open are
// required. Many tests call its functions at once.
type Harness struct {
	// Name of the provider, for the table and for the child processes.
	Name string
	// Home of the tasks.
	Home Home

	// Data prepares the data of one test, which no other test shares, and returns its
	// address: a file name, or a URL with a prefix of its own. It removes the data with
	// tb.Cleanup.
	Data func(tb testing.TB) (addr string)
	// Open returns a provider on the data at addr, which uses clock; SystemClock if
	// UsesClock is false. It is called several times with the same address, for the
	// handles of other processes and to open the data again, and in child processes.
	// With Home InProcess it is called once for each address.
	Open func(addr string, clock driver.Clock) (runtime.Provider, error)
	// UsesClock says that the provider uses the clock given to Open. The suite then
	// moves the time instead of waiting.
	UsesClock bool

	// Type is the type of queue that the suite opens if a test needs no particular
	// type; "" is standard. A provider whose types of queue have different abilities
	// has one harness for each, with a Name and a Type of its own: the suite then
	// leaves the tests of one other type to the other harnesses. With "" it runs them
	// all.
	Type driver.QueueType

	// Network returns the path to the backend at addr, which tests disturb. Every
	// provider that is opened at addr uses that path. Nil: it cannot be disturbed,
	// which needs a downgrade if the Home is OnServer.
	Network func(tb testing.TB, addr string) Network
	// Cut cuts every connection to the backend at addr, as a cut network does, until
	// restore is called. Nil: Network does it if set; else it is impossible, which
	// needs a downgrade.
	Cut func(tb testing.TB, addr string) (restore func())
	// Swallow makes the path to the backend at addr silently drop everything in both
	// directions until restore is called. Connections that were there and those made
	// meanwhile stay like that for good; new ones work after restore. Nil: the tests
	// are left out, and the table says so.
	Swallow func(tb testing.TB, addr string) (restore func())
	// Raw puts a message with the bytes of body onto q, a queue at addr, as another
	// program may. It returns false for bytes that the broker refuses. Nil: only tasks
	// can be on a queue of the provider.
	Raw func(tb testing.TB, addr string, q driver.Queue, body []byte) (taken bool)
	// MaxRaw is the largest size of such a message in bytes; 0 is 1 MiB.
	MaxRaw int
	// Alone is like Data, on a broker that no other test shares. It is for tests that
	// restart or kill the broker. Nil: Data does this already.
	Alone func(tb testing.TB) (addr string)
	// Restart stops the broker at addr, which Alone returned, gracefully, and starts it
	// again on the same data. It may return before the broker accepts connections.
	// It is for providers with Home OnServer; nil there needs a downgrade.
	Restart func(tb testing.TB, addr string)
	// Crash is like Restart, but the broker is killed (kill -9).
	Crash func(tb testing.TB, addr string)
	// Fill fills the backend at addr, which Alone returned. Until empty is called it
	// takes no new task of 64 kB, like a broker with a full memory or disk. Empty may
	// be called twice. Nil: it cannot be filled.
	Fill func(tb testing.TB, addr string) (empty func())
	// Jams says that a full backend may refuse retries and burials, too, until empty is
	// called. The queue then answers ErrQueueFull, and tasks that are released
	// unchanged may stay with their process.
	Jams bool
	// Large is the size in bytes of large payloads, 1 MB or less. A pool works off 40
	// of them, in batches of a bounded size, over 10 MB a second if the Network has a
	// method Rate(bytesPerSecond int). 0: no such test.
	Large int
	// Cost returns how much work the backend has done for p so far, in what it can
	// count: statements, rows, round trips. The suite calls it around Stats. Nil:
	// unknown, and the table says so.
	Cost func(p runtime.Provider) int64

	// Downgrades names the laws that the provider cannot keep in full, each with the
	// reason. The suite leaves out the tests of such a law that need something the
	// provider lacks, runs the others, and prints the reason. A test left out of a law
	// without a downgrade is a failure, and so is a downgrade for which no test is left
	// out.
	Downgrades map[Law]string

	maxBatch int // bytes of large tasks in one Dequeue; 0: maxBatch

	caps  driver.Capabilities // of a queue of Type, set by missingRequirements
	types []driver.QueueType  // those that can be opened, set by missingRequirements
}

// A Network is the path between the providers of one test and their broker, which tests
// disturb. Package internal/faultproxy of this module has one.
type Network interface {
	// Cut drops every connection and lets none through until Heal.
	Cut()
	// Heal ends Cut, Mute and Sever.
	Heal()
	// Mute lets requests pass and drops the replies, until Heal. A connection is closed
	// shortly after one of its replies was lost.
	Mute()
	// Sever closes every connection, once, when that many more bytes have passed toward
	// the broker.
	Sever(afterBytes int)
	// Delay lengthens every round trip by rtt.
	Delay(rtt time.Duration)
	// Trips counts the round trips so far.
	Trips() int64
}

// cut is Cut, or else the Network's; nil if there is neither.
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
	case h.Type != "" && h.Type != driver.Standard && h.Type != runtime.FIFO && h.Type != runtime.Priority:
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
