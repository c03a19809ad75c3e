package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/taskgen/taskgen/internal/deliveries"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	defaultWait     = 10 * time.Second
	defaultInFlight = 10
	// minWait is how long a call waits that is not to wait: a provider need not look for
	// tasks when its time is over.
	minWait = 100 * time.Millisecond
	// idlePause keeps a stream from asking in a hot loop if a queue answers without waiting.
	idlePause = 10 * time.Millisecond
	// A stream whose queue is away asks again after a pause, which doubles up to the longest.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
)

// whileLive returns a context that also ends when the server stops, with errStopped as its cause.
func (s *Server) whileLive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.live, func() { cancel(errStopped) })
	return ctx, func() { stop(); cancel(nil) }
}

// Dequeue implements the method of QueueService.
func (q *queueService) Dequeue(ctx context.Context, req *v1.DequeueRequest) (*v1.DequeueResponse, error) {
	s, l := q.s, q.s.leases
	queue, err := deliveries.Of(s.cfg.Manager, req.GetQueue())
	if err != nil {
		return nil, err
	}
	over, err := l.begin()
	if err != nil {
		return nil, err
	}
	defer over()
	limit, err := l.room(max(int(req.GetLimit()), 1))
	if err != nil {
		return nil, err
	}
	wait := defaultWait
	if req.Wait != nil {
		wait = max(req.GetWait().AsDuration(), minWait)
	}
	waiting, cancel := s.whileLive(ctx)
	defer cancel()
	waiting, stop := context.WithTimeout(waiting, wait)
	defer stop()
	ds, err := s.receive(waiting, queue, limit, leaseOf(queue, req.GetLease()))
	worker := callerOf(ctx).name
	if ctx.Err() != nil || s.live.Err() != nil { // nobody gets the answer, or settles it
		if len(ds) > 0 {
			s.giveBackOrLog(ctx, queue, worker, endingsOf(ds), nil)
		}
		return &v1.DequeueResponse{}, ctx.Err()
	}
	if err != nil && !errors.Is(err, driver.ErrNoTasks) {
		return nil, err
	}
	now, later := fitting(ds, maxMessage)
	held, back := l.add(worker, queue, nil, now)
	if back = append(back[:len(back):len(back)], later...); len(back) > 0 {
		s.giveBackOrLog(ctx, queue, worker, endingsOf(back), nil)
	}
	l.begins(ctx, held)
	return &v1.DequeueResponse{Deliveries: l.deliveries(held)}, nil
}

// A subscription is a stream that hands out tasks. The mutex of leases guards open.
type subscription struct {
	s      *Server
	caller string
	queue  *deliveries.Queue
	length time.Duration // of its leases
	most   int
	open   map[*lease]struct{} // without an outcome
	freed  chan struct{}       // capacity 1: open has become smaller
}

// Subscribe implements the method of QueueService.
func (q *queueService) Subscribe(ctx context.Context, req *v1.SubscribeRequest, stream *connect.ServerStream[v1.SubscribeResponse]) error {
	queue, err := deliveries.Of(q.s.cfg.Manager, req.GetQueue())
	if err != nil {
		return err
	}
	over, err := q.s.leases.begin()
	if err != nil {
		return err
	}
	defer over()
	most := int(req.GetMaxInFlight())
	if most == 0 {
		most = defaultInFlight
	}
	sub := &subscription{
		s: q.s, caller: callerOf(ctx).name, queue: queue, length: queue.Config().Visibility, most: most,
		open: make(map[*lease]struct{}), freed: make(chan struct{}, 1),
	}
	ctx, cancel := q.s.whileLive(ctx)
	var extender sync.WaitGroup
	extender.Go(func() { sub.extend(ctx) })
	defer func() {
		cancel()
		extender.Wait()
		sub.end(ctx)
	}()
	if err := stream.Send(nil); err != nil { // the headers: the client sees that it is subscribed
		return err
	}
	return sub.run(ctx, stream.Send)
}

// run hands out tasks until ctx ends.
func (sub *subscription) run(ctx context.Context, send func(*v1.SubscribeResponse) error) error {
	pause := time.Duration(0)
	for {
		n := sub.room(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := sub.s.leases.room(n)
		if err != nil {
			return err
		}
		began := time.Now()
		ds, err := sub.s.receive(ctx, sub.queue, n, sub.length)
		if len(ds) > 0 {
			if err := sub.handOut(ctx, ds, send); err != nil {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, driver.ErrUnavailable):
			// The tasks at hand are still their worker's: the stream outlives the outage.
			if pause == 0 {
				sub.s.log().LogAttrs(ctx, slog.LevelWarn, "a subscription cannot fetch tasks, will keep trying", slog.String("queue", sub.queue.Config().Name), slog.String("error", err.Error()))
			}
			pause = min(max(2*pause, firstPause), longestPause)
			sleep(ctx, pause)
		case err != nil && !errors.Is(err, driver.ErrNoTasks):
			return err
		default:
			if pause = 0; len(ds) == 0 && time.Since(began) < idlePause {
				sleep(ctx, idlePause)
			}
		}
	}
}

// handOut sends tasks, in as many messages as they need.
func (sub *subscription) handOut(ctx context.Context, ds []*driver.Delivery, send func(*v1.SubscribeResponse) error) error {
	l := sub.s.leases
	for len(ds) > 0 {
		now, later := fitting(ds, maxMessage)
		held, back := l.add(sub.caller, sub.queue, sub, now)
		if len(back) > 0 {
			l.begins(ctx, held)
			sub.s.giveBackOrLog(ctx, sub.queue, sub.caller, endingsOf(append(back[:len(back):len(back)], later...)), nil)
			return errTooManyLeases
		}
		l.begins(ctx, held)
		if err := send(&v1.SubscribeResponse{Deliveries: l.deliveries(held)}); err != nil {
			sub.s.giveBackOrLog(ctx, sub.queue, sub.caller, endingsOf(later), nil)
			return err
		}
		ds = later
	}
	return nil
}

// room waits until the client may have more tasks, and returns how many.
func (sub *subscription) room(ctx context.Context) int {
	for {
		sub.s.leases.mu.Lock()
		n := sub.most - len(sub.open)
		sub.s.leases.mu.Unlock()
		if n > 0 {
			return n
		}
		select {
		case <-sub.freed:
		case <-ctx.Done():
			return 0
		}
	}
}

// extend keeps the leases of the stream until ctx ends. It extends all of them at a third of
// their length, so that there is time to try again.
func (sub *subscription) extend(ctx context.Context) {
	const part, again = 3, 12
	for pause := sub.length / part; sleep(ctx, pause); {
		pause = sub.length / part
		if err := sub.extendAll(ctx); err != nil && ctx.Err() == nil {
			sub.s.log().LogAttrs(ctx, slog.LevelWarn, "leases of a subscription cannot be extended, will keep trying", slog.String("queue", sub.queue.Config().Name), slog.String("error", err.Error()))
			pause = sub.length / again
		}
	}
}

// extendAll extends all leases of the stream that no call settles, and drops those that are
// lost. It returns an error if it is to be tried again.
func (sub *subscription) extendAll(ctx context.Context) error {
	l := sub.s.leases
	held, ds := sub.toExtend()
	if len(ds) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, sub.length/3)
	defer cancel()
	err := sub.queue.Extend(bounded, ds, sub.length)
	var failed error
	var heard events
	defer heard.tell()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, h := range held {
		e := driver.ErrorAt(err, i)
		_, open := sub.open[h]
		switch {
		case !open: // settled meanwhile
		case e == nil:
			h.d.LeaseUntil = ds[i].LeaseUntil
		case errors.Is(e, driver.ErrLeaseLost):
			if !h.busy { // else its call says what has become of it
				heard.lost(h)
				l.dropLocked(h)
			}
		default:
			failed = e
		}
	}
	return failed
}

// toExtend drops the leases that have ended, and returns those to be extended with copies of
// their deliveries.
func (sub *subscription) toExtend() (held []*lease, ds []*driver.Delivery) {
	l, now := sub.s.leases, sub.s.cfg.Manager.Now()
	var heard events
	defer heard.tell()
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range sub.open {
		left := h.d.LeaseUntil.Sub(now)
		switch {
		case h.busy, left > sub.length: // its worker has asked for longer
		case left <= 0:
			heard.lost(h)
			l.dropLocked(h)
		default:
			d := *h.d
			held, ds = append(held, h), append(ds, &d)
		}
	}
	return held, ds
}

// end gives back what has no outcome. What a call settles just now stays its caller's.
func (sub *subscription) end(ctx context.Context) {
	l := sub.s.leases
	var back []ending
	l.mu.Lock()
	for h := range sub.open {
		if h.busy {
			h.sub = nil
			continue
		}
		back = append(back, ending{h.d, h.run})
		l.dropLocked(h)
	}
	l.mu.Unlock()
	if len(back) == 0 {
		return
	}
	cause := errStreamEnded
	if sub.s.live.Err() != nil {
		cause = driver.ErrStopping
	}
	sub.s.giveBackOrLog(ctx, sub.queue, sub.caller, back, cause)
}

// errStreamEnded is why a task goes back whose worker is gone.
var errStreamEnded = errors.New("the stream of its worker has ended")

// sleep reports whether the time has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
