package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Checks of the connection: whether it is dead though no error says so, whether the
// server refuses what is sent over it, and whether it is not there yet.

const (
	checkInterval = 250 * time.Millisecond
	// probeWait is how long the server may take to answer the first ping.
	probeWait    = 4 * time.Second
	probeWaitMax = 12 * time.Second
)

// probe checks whether the connection is alive if an answer is missing. It pings the
// server, and reconnects if nothing arrives. The link may just be slow, so the next
// ping has more time.
func (w *requester) probe() {
	if w.nc.Status() != nats.CONNECTED || !w.probing.CompareAndSwap(false, true) {
		return
	}
	w.ended.Go(func() {
		defer w.probing.Store(false)
		before := w.nc.Stats().InBytes
		pingTimeout := time.Duration(w.pingTimeout.Load())
		ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
		defer cancel()
		switch err := w.nc.FlushWithContext(ctx); {
		case err == nil:
			w.pingTimeout.Store(int64(probeWait))
		case ctx.Err() != nil && w.nc.Stats().InBytes == before && w.nc.Status() == nats.CONNECTED:
			w.pingTimeout.Store(int64(min(2*pingTimeout, probeWaitMax)))
			_ = w.nc.ForceReconnect() // fails if it is closed
		}
	})
}

// connError is why there is no connection.
func (w *requester) connError() error {
	if err := w.nc.LastError(); err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("%w: %w", errDisconnected, err)
	}
	return fmt.Errorf("%w: pings were not answered, or the server has closed it and its log says why (\"Slow Consumer\": the link is too slow for its max_pending)", errDisconnected)
}

// refusal is the last error of the connection if it is new and says that the user may
// not publish to a subject, or not subscribe to the inbox of the answers: the server
// sends nothing else.
func (w *requester) refusal(before error, subject string) error {
	return refusal(w.nc, before, func(text string) bool { return strings.Contains(text, `"`+subject+`"`) })
}

func refusal(nc *nats.Conn, before error, about func(text string) bool) error {
	err := nc.LastError()
	if err == nil || err == before || !errors.Is(err, nats.ErrPermissionViolation) {
		return nil
	}
	if text := err.Error(); !about(text) && !strings.Contains(text, `"`+inboxPrefix(nc)) {
		return nil
	}
	return fmt.Errorf("nats: the server refuses the request, see Permissions in the README of runtime/nats: %w", err)
}

func inboxPrefix(nc *nats.Conn) string {
	inbox := nc.NewInbox()
	return inbox[:strings.LastIndexByte(inbox, '.')+1]
}

// refused notes which of a call's requests the server refuses, and reports whether no
// other answer is pending.
func (c *call) refused(w *requester, rs []*request, todo []int, before error) bool {
	if err := w.nc.LastError(); err == nil || err == before || !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	left := 0
	for k, m := range c.answers {
		r := rs[todo[k]]
		if m != nil || r.err != nil {
			continue
		}
		if r.err = w.refusal(before, r.subject); r.err == nil {
			left++
		}
	}
	return left == 0
}

// cancelOnRefusal runs f, which asks through the client's API, and ends it when the server
// refuses the request: the client would wait for an answer until ctx ends.
func cancelOnRefusal(ctx context.Context, nc *nats.Conn, about []string, f func(ctx context.Context) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	before := nc.LastError()
	over := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(checkInterval)
		defer t.Stop()
		for {
			select {
			case <-over:
				return
			case <-t.C:
				err := refusal(nc, before, func(text string) bool {
					for _, a := range about {
						if strings.Contains(text, a) {
							return true
						}
					}
					return false
				})
				if err != nil {
					cancel(err)
					return
				}
			}
		}
	}()
	err := f(inner)
	close(over)
	<-ended
	if err != nil && ctx.Err() == nil && inner.Err() != nil {
		return context.Cause(inner)
	}
	return err
}

// connected waits until a connection that keeps retrying is there.
func connected(ctx context.Context, nc *nats.Conn) error {
	t := time.NewTicker(firstPause)
	defer t.Stop()
	for {
		switch nc.Status() {
		case nats.CONNECTED:
			return nil
		case nats.CLOSED, nats.DRAINING_SUBS, nats.DRAINING_PUBS:
			return unavailable(fmt.Errorf("nats: the connection: %w", nats.ErrConnectionClosed))
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			err := ctx.Err()
			if last := nc.LastError(); last != nil {
				err = fmt.Errorf("%w: %w", err, last)
			}
			return unavailable(fmt.Errorf("nats: no server answers: start one or correct the address: %w", err))
		}
	}
}

// graceContext is a context for work to complete after ctx has ended. It ends soon after ctx,
// and after most at the latest.
func graceContext(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	on, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(shortWait, cancel) })
	return on, func() {
		stop()
		cancel()
	}
}
