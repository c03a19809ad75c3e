package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/server"
)

// A parcel is a payload whose type the server does not have.
type parcel struct {
	ID    int    `json:"id"`
	Owner string `json:"owner"`
}

func parcelSpec() *runtime.Spec[parcel] {
	return &runtime.Spec[parcel]{
		Type: "parcel", Aliases: []string{"package"}, Queue: "parcels", Shape: "0123456789ab", Timeout: time.Minute, Retry: runtime.RetryPolicy{Max: 3, Backoff: runtime.Constant, Base: time.Hour},
		Schema:    `{"type":"object","properties":{"id":{"type":"integer"},"owner":{"type":"string"}},"required":["id"]}`,
		UniqueKey: func(p *parcel) string { return runtime.KeyOf(&p.ID) }, UniqueBy: []string{"id"},
	}
}

func describedBy[T any](spec *runtime.Spec[T]) fleet.Type {
	p := spec.Policy()
	return fleet.Type{
		Name: p.Type, Aliases: p.Aliases, Queue: p.Queue, Timeout: p.Timeout, MaxRetries: p.Retry.Max, Schema: p.Schema, Shape: p.Shape, Secrets: p.Secrets, Template: p.Template,
		Retry:     fleet.Retry{Backoff: string(p.Retry.Backoff), Base: p.Retry.Base, Cap: p.Retry.Cap, Factor: p.Retry.Factor, Jitter: p.Retry.Jitter},
		Retention: p.Retention,
	}
}

// isEnqueuedAsBySpec enqueues a parcel over the wire, and compares the task with that of its spec.
func isEnqueuedAsBySpec(t *testing.T, s *testServer, m *runtime.Manager) {
	t.Helper()
	queues := s.queues()
	first, err := queues.Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "package", Payload: `{"owner":"<ada>", "id":7}`}})
	require.NoError(t, err)
	again, err := queues.Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "parcel", Payload: `{"id":7,"owner":"bob"}`}})
	require.NoError(t, err)
	assert.True(t, again.GetTask().GetDuplicate(), "its key is taken")
	spec, err := runtime.Enqueue(bounded(t), m, parcelSpec(), &parcel{ID: 7})
	require.NoError(t, err)
	assert.True(t, spec.Duplicate, "the key is that of the type's own code")

	for _, payload := range []string{`{}`, `{"id":1,"color":"red"}`, `{"id":1.0}`, `{"id":"1"}`} {
		_, err = queues.Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "parcel", Payload: payload}})
		assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), payload)
	}

	q, err := m.Queue("parcels")
	require.NoError(t, err)
	ds, err := q.Dequeue(bounded(t), 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, ds, 1)
	want, err := parcelSpec().NewTaskJSON([]byte(`{"owner":"<ada>", "id":7}`), ds[0].Task.CreatedAt, runtime.WithID(first.GetTask().GetId()))
	require.NoError(t, err)
	got := ds[0].Task
	assert.Equal(t, string(want.Payload), string(got.Payload))
	assert.Equal(t, []any{want.Type, want.Shape, want.UniqueKey, want.Timeout, want.MaxRetries, want.Metadata}, []any{got.Type, got.Shape, got.UniqueKey, got.Timeout, got.MaxRetries, got.Metadata})
	assert.Equal(t, "0123456789ab", got.Shape)
	require.NoError(t, q.Release(bounded(t), ds))
}

func TestATypeOfTheCatalogAloneIsEnqueued(t *testing.T) {
	m := managerOf(t, runtime.QueueConfig{Name: "parcels"})
	s := start(t, server.Config{Manager: m, Catalog: fleet.Types{describedBy(parcelSpec())}})
	isEnqueuedAsBySpec(t, s, m)
	res, err := s.monitoring().ListTypes(bounded(t), &v1.ListTypesRequest{})
	require.NoError(t, err)
	require.Len(t, res.GetTypes(), 1)
	assert.True(t, res.GetTypes()[0].GetEnqueues())
	assert.Equal(t, "0123456789ab", res.GetTypes()[0].GetShape())
}

// A signalStore tells when types have been published.
type signalStore struct {
	fleet.Store
	put chan struct{}
}

func (s *signalStore) PutTypes(ctx context.Context, types []fleet.Type, ttl time.Duration) error {
	defer close(s.put)
	return s.Store.PutTypes(ctx, types, ttl)
}

// publishes runs a worker of the type parcel until its fleet has heard of it, and returns the
// fleet.
func publishes(t *testing.T, provider runtime.Provider, middleware ...runtime.EnqueueMiddleware) *fleet.Fleet {
	t.Helper()
	store := &signalStore{memory.NewFleet(), make(chan struct{})}
	f := fleet.New(store, fleet.Config{})
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: middleware, Listeners: []*observe.Listener{f.Listener()}})
	require.NoError(t, m.Open(t.Context(), provider, runtime.QueueConfig{Name: "parcels"}))
	r := runtime.NewRouter()
	runtime.Register(r, parcelSpec(), func(context.Context, parcel) error { return errors.New("it is not to run") })
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	require.NoError(t, err)
	pool.Quiet()
	require.NoError(t, pool.Start(t.Context()))
	select {
	case <-store.put:
	case <-bounded(t).Done():
		t.Fatal("no type was published")
	}
	require.NoError(t, pool.Stop(bounded(t)))
	require.NoError(t, m.Close())
	return f
}

func TestATypeOfTheFleetAloneIsEnqueued(t *testing.T) {
	provider := memory.New()
	f := publishes(t, provider)
	m := managerOn(t, provider, runtime.QueueConfig{Name: "parcels"})
	s := start(t, server.Config{Manager: m, Fleet: f})
	isEnqueuedAsBySpec(t, s, m)

	// A run that fails is retried as the policy of the description says.
	received, err := s.queues().Dequeue(bounded(t), &v1.DequeueRequest{Queue: "parcels"})
	require.NoError(t, err)
	failed, err := s.queues().Fail(bounded(t), &v1.FailRequest{Tasks: []*v1.FailedTask{{LeaseId: received.GetDeliveries()[0].GetLeaseId(), Error: "broken"}}})
	require.NoError(t, err)
	assert.WithinDuration(t, m.Now().Add(time.Hour), failed.GetOutcomes()[0].GetDueAt().AsTime(), time.Minute)
}

func TestATypeThatIsSealedNeedsASealer(t *testing.T) {
	keys, err := encrypt.NewKeyRing("k", map[string][]byte{"k": make([]byte, encrypt.KeySize)})
	require.NoError(t, err)
	provider := memory.New()
	f := publishes(t, provider, keys.Enqueue)
	m := managerOn(t, provider, runtime.QueueConfig{Name: "parcels"})
	request := &v1.EnqueueRequest{Task: &v1.NewTask{Type: "parcel", Payload: `{"id":7}`}}
	_, err = start(t, server.Config{Manager: m, Fleet: f}).queues().Enqueue(bounded(t), request)
	require.ErrorContains(t, err, "sealed")
	_, err = start(t, server.Config{Manager: m, Fleet: f, Catalog: fleet.Types{describedBy(parcelSpec())}}).queues().Enqueue(bounded(t), request)
	require.ErrorContains(t, err, "sealed", "the catalog does not know it, the fleet does")

	sealing := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{keys.Enqueue}})
	require.NoError(t, sealing.Open(t.Context(), provider, runtime.QueueConfig{Name: "parcels"}))
	t.Cleanup(func() { require.NoError(t, sealing.Close()) })
	_, err = start(t, server.Config{Manager: sealing, Fleet: f}).queues().Enqueue(bounded(t), request)
	require.NoError(t, err)
	q, err := sealing.Queue("parcels")
	require.NoError(t, err)
	stored, _, err := q.(driver.Browser).Browse(bounded(t), driver.Ready, "", 10)
	require.NoError(t, err)
	require.Len(t, stored, 1)
	assert.NotEmpty(t, stored[0].Encoding)
}

func TestATypeOfAnOlderWorkerIsShownAndNotEnqueued(t *testing.T) {
	store := memory.NewFleet()
	old := describedBy(parcelSpec())
	old.Template = nil
	require.NoError(t, store.PutTypes(t.Context(), []fleet.Type{old}, time.Hour))
	s := start(t, server.Config{Manager: managerOf(t, runtime.QueueConfig{Name: "parcels"}), Fleet: fleet.New(store, fleet.Config{})})
	_, err := s.queues().Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "parcel", Payload: `{"id":7}`}})
	assert.ErrorContains(t, err, "older version")
	res, err := s.monitoring().ListTypes(bounded(t), &v1.ListTypesRequest{})
	require.NoError(t, err)
	require.Len(t, res.GetTypes(), 1)
	assert.False(t, res.GetTypes()[0].GetEnqueues())
	assert.NotEmpty(t, res.GetTypes()[0].GetSchema())
}

func TestAnErrorAboutADescribedPayloadQuotesNoSecret(t *testing.T) {
	d := describedBy(parcelSpec())
	d.Secrets = []string{"/owner"}
	s := start(t, server.Config{Manager: managerOf(t, runtime.QueueConfig{Name: "parcels"}), Catalog: fleet.Types{d}})
	_, err := s.queues().Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "parcel", Payload: `{"id":7,"owner":{"s3cret":1}}`}})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "s3cret")
}
