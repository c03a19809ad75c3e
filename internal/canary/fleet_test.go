package canary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
)

// rows is a store of workers that writes down what it is to keep.
type rows struct {
	fleet.Store
	mu      sync.Mutex
	written strings.Builder
	running chan string // the IDs of tasks that heartbeats name
}

func (r *rows) write(data []byte, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written.Write(append(data, '\n'))
	return err
}

func (r *rows) Heartbeat(ctx context.Context, w *fleet.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
	if err := r.write(w.Encode()); err != nil {
		return nil, err
	}
	orders, err := r.Store.Heartbeat(ctx, w, done, ttl)
	for _, run := range w.Running {
		select {
		case r.running <- run.TaskID:
		default: // nobody waits for so many
		}
	}
	return orders, err
}

func (r *rows) PutTypes(ctx context.Context, types []fleet.Type, ttl time.Duration) error {
	for i := range types {
		if err := r.write(types[i].Encode()); err != nil {
			return err
		}
	}
	return r.Store.PutTypes(ctx, types, ttl)
}

func (r *rows) Send(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
	return errors.Join(r.write(o.Encode()), r.Store.Send(ctx, o, ttl))
}

func attachFleet(w *walk) attached {
	w.rows = &rows{Store: w.workers, running: make(chan string, 100)}
	w.fleet = fleet.New(w.rows, fleet.Config{Logger: w.log})
	return attached{w.fleet.Listener, func() string {
		all, err := w.fleet.List(w.ctx)
		require.NoError(w, err)
		types, err := w.fleet.Types(w.ctx)
		require.NoError(w, err)
		w.rows.mu.Lock()
		defer w.rows.mu.Unlock()
		return w.rows.written.String() + inJSON(w, all) + fmt.Sprintf("%+v", types)
	}}
}

// cancel cancels one task that waits, where the queue can do that, and one that a worker of the fleet runs.
func (w *walk) cancel() {
	q, err := w.m.Queue(queue)
	require.NoError(w, err)
	if c, ok := q.(driver.Canceller); ok {
		p := paymentOf("waiting")
		waits, err := runtime.Enqueue(w.ctx, w.m, w.fit(payments()), &p, runtime.WithDelay(time.Hour))
		require.NoError(w, err)
		gone, err := c.Cancel(w.ctx, []string{waits.ID})
		require.NoError(w, err)
		require.Equal(w, []string{waits.ID}, gone)
	}

	pool := w.newPool()
	require.NoError(w, pool.Start(w.ctx))
	id := w.enqueue(w.fit(payments()), "cancelled")
	for told := ""; told != id; { // by the next heartbeat
		select {
		case told = <-w.rows.running:
		case <-w.ctx.Done():
			w.Fatal("no heartbeat has said that the worker runs the task")
		}
	}
	w.look(outlets[len(outlets)-1].place, w.attached[len(outlets)-1].show()) // while it runs
	workers, err := w.fleet.Cancel(w.ctx, id)
	require.NoError(w, err)
	require.Len(w, workers, 1)
	_, err = w.results.Await(w.ctx, id)
	require.ErrorIs(w, err, runtime.ErrTaskFailed)
	w.look(errorText, err.Error())
	require.NoError(w, pool.Stop(w.ctx))
	require.Equal(w, paymentOf("").Card, w.paid["cancelled"].Card)
}

// lookAtPayload shows a payload as tools do that know of its type what workers published.
func (w *walk) lookAtPayload(t *runtime.Task) {
	w.Helper()
	types, err := w.fleet.Types(w.ctx)
	require.NoError(w, err)
	known, ok := types.Of(t.Type)
	require.True(w, ok, "a worker has published %s", t.Type)
	w.look(payloadView, string(payload.Redact(known, t.Payload)))
	if err := payload.Check(known, t.Payload); err != nil {
		w.look(payloadView, fmt.Sprintf("%v %+v", err, err))
	}
}
