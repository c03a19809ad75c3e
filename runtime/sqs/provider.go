package sqs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime/driver"
)

// ErrNotStored is the error of a [Store] for a missing key.
var ErrNotStored = errors.New("taskgen: no such payload in the store")

// A Provider keeps queues in Amazon SQS. It is safe for concurrent use.
type Provider struct {
	api *api
	options
	receiptPrefix string // the beginning of this process's receipts
	seq           atomic.Uint64

	opening chan struct{} // holds one that opens a queue: a second finds what the first has made

	mu       sync.Mutex
	states   map[string]*queueState
	dead     map[string]bool   // names of dead letter queues that were seen here
	deadURLs map[string]string // of those that WithQueue gives, by the names that their queues declare
	closed   bool
}

var _ driver.Provider = (*Provider)(nil)

// New returns a provider on the program's own client, which the program configures. The
// provider sends nothing before the first Open of a queue. The error says which option is out
// of bounds.
func New(client *awssqs.Client, opts ...Option) (*Provider, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	if client == nil {
		return nil, errors.New("sqs: New needs a client")
	}
	p := &Provider{
		api: newAPI(client), options: o,
		opening: make(chan struct{}, 1), states: make(map[string]*queueState), dead: make(map[string]bool), deadURLs: make(map[string]string),
	}
	if err := checkExisting(o.existing, p.awsRegion()); err != nil {
		return nil, err
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	p.receiptPrefix = hex.EncodeToString(random[:])
	return p, nil
}

// Name returns "sqs".
func (p *Provider) Name() string { return "sqs" }

// Requests returns how many requests the provider has sent to SQS, by action
// ("ReceiveMessage"), including repeated ones. AWS bills these, except that it counts
// every 64 KiB of a request as one.
func (p *Provider) Requests() map[string]int64 { return p.api.requests() }

// Open implements [driver.Provider]. It creates the SQS queues of the queue and of its
// dead letter queue, or verifies existing ones: see the package comment.
func (p *Provider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	select {
	case p.opening <- struct{}{}:
		defer func() { <-p.opening }()
	case <-ctx.Done():
		return nil, fmt.Errorf("queue %q in SQS: another is being opened: %w", cfg.Name, unavailable(ctx.Err()))
	}
	e, err := p.current(cfg.Name)
	if err != nil {
		return nil, err
	}
	if e == nil {
		e, err = p.build(ctx, cfg)
	} else {
		err = p.recheck(ctx, e, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("queue %q in SQS: %w", cfg.Name, err)
	}
	return p.addHandle(e, cfg)
}

// current is the state of a queue that is open, or nil.
func (p *Provider) current(name string) (*queueState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("sqs: %w", driver.ErrClosed)
	}
	return p.states[name], nil
}

// addHandle makes a handle on the state of a queue. If its last handle was closed meanwhile,
// the handle gets a new state.
func (p *Provider) addHandle(e *queueState, cfg driver.QueueConfig) (*Queue, error) {
	q := &Queue{state: e, cfg: cfg, done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("sqs: %w", driver.ErrClosed)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		q.state = e.reopened()
	}
	q.state.handles = append(q.state.handles, q)
	p.states[cfg.Name] = q.state
	return q, nil
}

// Close implements [driver.Provider]. It closes every queue and waits for their work in
// progress. The client stays open: it belongs to the caller.
func (p *Provider) Close() error {
	p.mu.Lock()
	p.closed = true
	states := make([]*queueState, 0, len(p.states))
	for _, e := range p.states {
		states = append(states, e)
	}
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, e := range states {
		e.mu.Lock()
		handles := append([]*Queue(nil), e.handles...)
		e.mu.Unlock()
		wg.Go(func() {
			for _, q := range handles {
				_ = q.Close()
			}
		})
	}
	wg.Wait()
	p.api.closeConnections()
	return nil
}

// receipt makes a receipt that no other delivery has, here or elsewhere.
func (p *Provider) receipt() driver.Receipt {
	return driver.Receipt(fmt.Sprintf("%s-%016x", p.receiptPrefix, p.seq.Add(1)))
}
