package sqstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Server is an SQS of its own: one account, one region, and its queues. It is
// an http.Handler, safe for use by many goroutines, and a listener on loopback
// when Start is called.
type Server struct {
	// InFlightLimit is how many messages of one queue may be in flight, 120,000
	// by default. It is set before the first call.
	InFlightLimit int
	// LongestPoll bounds how long a ReceiveMessage waits, by the machine's clock:
	// then it is answered with what there is, which is nothing. A client that
	// waits for its polls to end needs that on a clock that stands still. It is
	// set before the first call. 0: no bound.
	LongestPoll time.Duration
	// Shuffle has standard queues hand out what is ready in no order: each receive
	// chooses among the next thirty messages. It is set before the first call.
	Shuffle bool
	// DeliverTwice has one of so many messages that a standard queue delivers stay visible,
	// so that it is delivered once more, as it happens on AWS now and then. It is set
	// before the first call. 0: none.
	DeliverTwice int
	clock        driver.Clock

	mu      sync.Mutex // guards all that follows
	queues  map[string]*queue
	buried  map[string]time.Time // when the queues of these names were deleted
	ids     uint64
	handles int
	touched []*queue
	hook    Hook
	permits map[string][]string // by name of queue: see Permit
	held    map[*queue][3]int   // what HoldCounts holds; nil: nothing
	trail   time.Duration       // see TrailCounts
	given   int                 // messages that standard queues have delivered
	deaf    bool                // Stop is under way: nobody may begin to wait
	counts  map[string]int

	listening sync.Mutex // held by Start and Stop
	addr      string     // "" before the first Start
	http      *http.Server
	served    chan struct{}  // closed when http.Serve has returned
	conns     sync.WaitGroup // the open connections
}

// New returns a server without queues that keeps time by clock. Nil:
// [driver.SystemClock].
func New(clock driver.Clock) *Server {
	if clock == nil {
		clock = driver.SystemClock
	}
	return &Server{
		InFlightLimit: 120_000, clock: clock,
		queues: make(map[string]*queue), buried: make(map[string]time.Time), counts: make(map[string]int), permits: make(map[string][]string),
	}
}

// Start listens on loopback: on a free port the first time, and on the same one
// after a Stop. The queues are as they were.
func (s *Server) Start() error {
	s.listening.Lock()
	defer s.listening.Unlock()
	if s.http != nil {
		return errors.New("sqstest: it listens already")
	}
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("sqstest: cannot listen on loopback: %w", err)
	}
	s.addr = l.Addr().String()
	s.mu.Lock()
	s.deaf = false
	s.mu.Unlock()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ConnState: s.countConn}
	s.served = make(chan struct{})
	go func(server *http.Server, served chan struct{}) {
		defer close(served)
		_ = server.Serve(l) // ends with http.ErrServerClosed
	}(s.http, s.served)
	return nil
}

// URL is where the server listens, or listened last: http://127.0.0.1:port.
func (s *Server) URL() string {
	s.listening.Lock()
	defer s.listening.Unlock()
	return "http://" + s.addr
}

// Stop cuts every connection and listens no more. It returns when no call is
// being worked on. Calls that wait for messages end without any.
func (s *Server) Stop() {
	s.listening.Lock()
	defer s.listening.Unlock()
	if s.http == nil {
		return
	}
	_ = s.http.Close() // what it could say of the listener changes nothing
	<-s.served
	s.endPolls()
	s.conns.Wait()
	s.http = nil
}

// endPolls ends every wait, those that go on without their clients too.
func (s *Server) endPolls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = true
	for _, q := range s.queues {
		for e := q.polls.Front(); e != nil; e = q.polls.Front() {
			s.finish(e.Value.(*poll), pollResult{})
		}
	}
}

// countConn is called for every connection: for a new one before Serve returns, and for a
// closed one after its last call.
func (s *Server) countConn(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed:
		s.conns.Done()
	default:
	}
}

// Requests counts the calls that arrived up to now, by operation.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// Polls is how many ReceiveMessage calls wait for messages now.
func (s *Server) Polls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, q := range s.queues {
		n += q.polls.Len()
	}
	return n
}

// newID returns what looks like the ids of AWS and is not random, so that the run of a
// test can be repeated.
func (s *Server) newID() string {
	s.ids++
	return fmt.Sprintf("5e2f0a1c-7d3b-4c69-8a54-%012x", s.ids)
}

// touch notes that q may have something for those who wait on it.
func (s *Server) touch(q *queue) { s.touched = append(s.touched, q) }

// flush serves those who wait on the queues that were touched, in the order in
// which they came, and sets the alarm of each queue. It is called before the
// lock is given up after a change.
func (s *Server) flush() {
	for len(s.touched) > 0 {
		q := s.touched[0]
		s.touched = s.touched[1:]
		for e := q.polls.Front(); e != nil && s.serve(e.Value.(*poll)); e = q.polls.Front() {
		}
		s.setAlarm(q)
	}
}

// setAlarm wakes q when the next message shows, as long as somebody waits for
// one.
func (s *Server) setAlarm(q *queue) {
	if q.alarm != nil {
		q.alarm.Stop()
		q.alarm = nil
	}
	if q.polls.Len() == 0 || len(q.hidden) == 0 {
		return
	}
	q.alarm = s.clock.AfterFunc(q.hidden[0].visibleAt.Sub(s.clock.Now()), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.touch(q)
		s.flush()
	})
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := readCall(r)
	var fault Fault
	var denial *Error
	if err == nil {
		fault, denial = s.faultOf(c), s.forbidden(c.Call)
	}
	var answer any
	switch {
	case err != nil:
	case fault.Error != nil:
		err = fault.Error
	case denial != nil:
		err = denial
	case !fault.Drop:
		answer, err = s.act(r.Context(), c, r.Host, fault)
	}
	s.pause(r.Context(), fault.Delay)
	if fault.Drop || fault.DropReply || r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // which package http takes for: cut the connection
	}
	s.write(w, answer, err)
}

func (s *Server) faultOf(c *call) Fault {
	s.mu.Lock()
	s.counts[c.Operation]++
	hook := s.hook
	s.mu.Unlock()
	if hook == nil {
		return Fault{}
	}
	return hook(c.Call)
}

// pause waits on the server's clock, or until the client is gone.
func (s *Server) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	over := make(chan struct{})
	t := s.clock.AfterFunc(d, func() { close(over) })
	defer t.Stop()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

func (s *Server) write(w http.ResponseWriter, answer any, err *Error) {
	s.mu.Lock()
	id := s.newID()
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("x-amzn-RequestId", id)
	if err != nil {
		fault := "Sender"
		if !err.senderFault() {
			fault = "Receiver"
		}
		w.Header().Set("x-amzn-query-error", err.code()+";"+fault)
		answer = map[string]string{"__type": "com.amazonaws.sqs#" + err.Type, "message": err.Message}
		w.WriteHeader(err.status())
	}
	if answer == nil {
		return
	}
	_ = json.NewEncoder(w).Encode(answer) // a client that is gone needs no answer
}

// A call is a Call with the body of the request, decoded.
type call struct {
	Call
	request any
}

const maxRequest = 8 << 20 // a batch of a MiB, every byte of it escaped, and its frame

func readCall(r *http.Request) (*call, *Error) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	newRequest := requests[operation]
	if !ok || newRequest == nil || r.Method != http.MethodPost {
		return nil, &Error{Type: "UnknownOperationException", Code: "InvalidAction", Message: fmt.Sprintf("The action %q is not valid for this endpoint.", r.Header.Get("X-Amz-Target"))}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	switch {
	case err != nil:
		return nil, serialization("The body of the request cannot be read.")
	case len(body) > maxRequest:
		return nil, serialization("The body of the request is too long.")
	case !utf8.Valid(body):
		return nil, serialization("The body of the request is not UTF-8.")
	}
	c := &call{Call: Call{Operation: operation}, request: newRequest()}
	if err := json.Unmarshal(body, c.request); err != nil {
		return nil, serialization("The body of the request cannot be read: " + err.Error())
	}
	if named, ok := c.request.(interface{ queue() string }); ok {
		c.Queue = named.queue()
	}
	if batch, ok := c.request.(interface{ ids() []string }); ok {
		c.Entries = batch.ids()
	}
	return c, nil
}

func (r *createQueueRequest) queue() string { return r.QueueName }

func (r *getQueueURLRequest) queue() string { return r.QueueName }

func (u *queueURL) queue() string { return u.URL[strings.LastIndexByte(u.URL, '/')+1:] }

func (b *batchRequest[E]) ids() []string {
	ids := make([]string, 0, len(b.Entries))
	for i := range b.Entries {
		ids = append(ids, any(&b.Entries[i]).(entry).id())
	}
	return ids
}
