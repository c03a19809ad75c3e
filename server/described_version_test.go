package server_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

// The payloads of two versions of the type ticket, of an old and a new program.
type (
	oldTicket struct {
		Seat  string `json:"seat"`
		Phone string `json:"phone,omitempty"`
	}
	newTicket struct {
		Seat struct {
			Row    string `json:"row"`
			Number int    `json:"number"`
		} `json:"seat"`
		Card string `json:"card,omitempty"`
	}
)

var (
	oldTicketSpec = &runtime.Spec[oldTicket]{
		Type: "ticket", Queue: "tickets", Timeout: time.Minute, SchemaVersion: 1, Secrets: []string{"/phone"},
		Schema:    `{"type":"object","properties":{"seat":{"type":"string"},"phone":{"type":"string"}},"additionalProperties":false}`,
		UniqueKey: func(t *oldTicket) string { return runtime.KeyOf(&t.Seat) }, UniqueBy: []string{"seat"},
	}
	newTicketSpec = &runtime.Spec[newTicket]{
		Type: "ticket", Queue: "tickets-2", Timeout: time.Hour, SchemaVersion: 2, Secrets: []string{"/card"}, Retry: runtime.RetryPolicy{Max: 2},
		Schema:    `{"type":"object","properties":{"seat":{"type":"object"},"card":{"type":"string"}},"additionalProperties":false}`,
		UniqueKey: func(t *newTicket) string { return runtime.KeyOf(&t.Seat) }, UniqueBy: []string{"seat"},
	}
)

const (
	oldPayload = `{"seat":"7b","phone":"canary-phone"}`
	newPayload = `{"seat":{"row":"b","number":7},"card":"canary-card"}`
)

// takes checks that a server makes tasks by one version of a ticket, and by no part of the
// other.
func takes[T any](t *testing.T, edit func(*server.Config), counts *runtime.Spec[T], good, bad string) {
	t.Helper()
	c := new(captured)
	p := memory.New()
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{c.middleware}})
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "tickets"}, runtime.QueueConfig{Name: "tickets-2"}))
	cfg := server.Config{Manager: m}
	edit(&cfg)
	s := start(t, cfg)
	_, err := s.queues().Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "ticket", Payload: good}})
	require.NoError(t, err)
	want, err := counts.NewTaskJSON([]byte(good), time.Now())
	require.NoError(t, err)
	want.CreatedAt, want.ScheduledFor = time.Time{}, time.Time{}
	assert.Equal(t, want, c.last())
	_, err = s.queues().Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "ticket", Payload: bad}})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), "%v", err)
	assert.NotContains(t, err.Error(), "canary")
}

func TestOfTwoVersionsOfATypeTheOneThatWasPublishedLastCounts(t *testing.T) {
	older, newer := describedBy(oldTicketSpec), describedBy(newTicketSpec)
	published := func(types ...fleet.Type) func(*server.Config) {
		store := memory.NewFleet()
		for _, d := range types {
			require.NoError(t, store.PutTypes(t.Context(), []fleet.Type{d}, time.Hour))
		}
		return func(c *server.Config) { c.Fleet = fleet.New(store, fleet.Config{}) }
	}
	takes(t, published(older, newer), newTicketSpec, newPayload, oldPayload)
	takes(t, published(older, newer, older), oldTicketSpec, oldPayload, newPayload)

	// What the server itself has comes before the fleet, and a spec before the catalog.
	withCatalog := func(d fleet.Type, fleetOf func(*server.Config)) func(*server.Config) {
		return func(c *server.Config) { c.Catalog = fleet.Types{d}; fleetOf(c) }
	}
	takes(t, withCatalog(older, published(older, newer)), oldTicketSpec, oldPayload, newPayload)
	takes(t, withCatalog(newer, published(newer, older)), newTicketSpec, newPayload, oldPayload)
	takes(t, func(c *server.Config) {
		c.Types, c.Catalog = []server.Type{newTicketSpec}, fleet.Types{older}
		published(older)(c)
	}, newTicketSpec, newPayload, oldPayload)
}

// TestASecretOfEitherVersionIsHidden looks at tasks of both versions on one queue.
func TestASecretOfEitherVersionIsHidden(t *testing.T) {
	older, newer := describedBy(oldTicketSpec), describedBy(newTicketSpec)
	renamed := describedBy(oldTicketSpec)
	renamed.Name = "old-ticket"
	successor := describedBy(newTicketSpec)
	successor.Aliases = []string{"old-ticket"}
	for name, c := range map[string]struct {
		own, told []fleet.Type
	}{
		"both in the fleet":              {nil, []fleet.Type{newer, older}},
		"the old one in the fleet":       {[]fleet.Type{newer}, []fleet.Type{older}},
		"the new one in the fleet":       {[]fleet.Type{older}, []fleet.Type{newer}},
		"the old one under another name": {[]fleet.Type{successor}, []fleet.Type{renamed}},
	} {
		t.Run(name, func(t *testing.T) {
			store := memory.NewFleet()
			require.NoError(t, store.PutTypes(t.Context(), c.told, time.Hour))
			m := managerOf(t, runtime.QueueConfig{Name: "tickets"})
			var tasks []*runtime.Task
			for _, payload := range []string{oldPayload, newPayload} {
				tasks = append(tasks, &runtime.Task{Type: "ticket", Queue: "tickets", Payload: []byte(payload)}, &runtime.Task{Type: c.told[0].Name, Queue: "tickets", Payload: []byte(payload)})
			}
			_, err := m.Enqueue(bounded(t), tasks)
			require.NoError(t, err)
			s := start(t, server.Config{Manager: m, Catalog: c.own, Fleet: fleet.New(store, fleet.Config{})})
			res, err := s.queues().Peek(bounded(t), &v1.PeekRequest{Queue: "tickets"})
			require.NoError(t, err)
			require.Len(t, res.GetTasks(), 4)
			for _, task := range res.GetTasks() {
				assert.NotContains(t, task.GetPayload(), "canary")
				assert.Contains(t, task.GetPayload(), `"seat"`)
			}
		})
	}
}
