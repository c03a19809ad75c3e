package server_test

import (
	"context"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/catalog"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

// A shipment is a payload with a part of each kind.
type shipment struct {
	Origin
	Customer string            `json:"customer"`
	Parcel   uuid.UUID         `json:"parcel"`
	Weight   uint16            `json:"weight"`
	Count    int64             `json:"count"`
	Price    float32           `json:"price,omitempty"`
	Quoted   int8              `json:"quoted,string,omitempty"`
	Due      time.Time         `json:"due,omitzero"`
	Sum      *big.Int          `json:"sum,omitempty"`
	Stops    []Stop            `json:"stops,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Data     []byte            `json:"data,omitempty"`
	Number   json.Number       `json:"number,omitempty"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Any      any               `json:"any,omitempty"`
	Remark   *string           `json:"remark"`
	Pair     [2]bool           `json:"pair"`
}

// An Origin is embedded, and has a field that the outer struct hides.
type Origin struct {
	Depot string `json:"depot"`
	Count string `json:"count"`
}

type Stop struct {
	City string `json:"city"`
	At   int    `json:"at"`
}

var shipmentSpec = &runtime.Spec[shipment]{
	Type: "shipment", Aliases: []string{"freight"}, Queue: "shipments", Timeout: 90 * time.Second, Priority: 3, SchemaVersion: 7, Shape: "0123456789ab", Retention: 2 * time.Hour,
	Retry:     runtime.RetryPolicy{Max: 5, Backoff: runtime.Linear, Base: time.Minute, Cap: time.Hour, Factor: 1.5, Jitter: 0.25},
	UniqueKey: func(s *shipment) string { return runtime.KeyOf(&s.Parcel, &s.Depot, &s.Due, &s.Stops, &s.Price) }, UniqueFor: 3 * time.Hour,
	UniqueBy: []string{"parcel", "depot", "due", "stops", "price"},
	GroupKey: func(s *shipment) string { return s.Customer }, GroupBy: "customer",
	Validate: func(s *shipment) error {
		switch {
		case s.Customer == "":
			return generated.Missing("shipment", "customer")
		case s.Weight == 0:
			return generated.Missing("shipment", "weight")
		}
		return nil
	},
	Required: []string{"customer", "weight"},
	Secrets:  []string{"/remark"},
}

// captured is what a manager was given to enqueue.
type captured struct{ tasks []*runtime.Task }

func (c *captured) middleware(runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(_ context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		c.tasks = append(c.tasks, tasks...)
		return make([]runtime.Enqueued, len(tasks)), nil
	})
}

// last is the task that was enqueued last, without what differs from enqueue to enqueue.
func (c *captured) last() *runtime.Task {
	if len(c.tasks) == 0 {
		return nil
	}
	t := *c.tasks[len(c.tasks)-1]
	c.tasks = nil
	t.ID, t.CreatedAt, t.ScheduledFor = "", time.Time{}, time.Time{}
	return &t
}

// knownBy starts a server that knows shipments in a way, and returns what it enqueues.
func knownBy(t *testing.T, edit func(*server.Config)) (*testServer, *captured) {
	t.Helper()
	c := new(captured)
	p, m := memory.New(), runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{c.middleware}})
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "shipments"}))
	cfg := server.Config{Manager: m}
	edit(&cfg)
	return start(t, cfg), c
}

// shipments are payloads, and whether a Spec accepts them.
var shipments = map[string]bool{
	// What is whole.
	`{"customer":"ada","weight":1}`: true,
	`{"weight":65535,"customer":"<ada&bob>\u2028","depot":"B","count":-9223372036854775808}`:    true,
	`{"customer":"ada","weight":1,"parcel":"URN:UUID:6BA7B810-9DAD-11D1-80B4-00C04FD430C8"}`:    true,
	`{"customer":"ada","weight":1,"due":"2026-12-01T09:00:00.500000+01:00","price":1.10}`:       true,
	`{"customer":"ada","weight":1,"stops":[{"city":"x","at":1},{}],"labels":{"b":"1","a":"2"}}`: true,
	`{"customer":"ada","weight":1,"data":"AAE=","pair":[true],"remark":"r","quoted":"-7"}`:      true,
	`{"customer":"ada","weight":1,"pair":[true,true,true]}`:                                     true,
	` {"customer":"ada","weight":1,"sum":123456789012345678901234567890} `:                      true,
	// Numbers.
	`{"customer":"ada","weight":1,"count":9007199254740993}`:             true,
	`{"customer":"ada","weight":1,"count":9223372036854775808}`:          false,
	`{"customer":"ada","weight":1.0}`:                                    false,
	`{"customer":"ada","weight":1e0}`:                                    false,
	`{"customer":"ada","weight":65536}`:                                  false,
	`{"customer":"ada","weight":-1}`:                                     false,
	`{"customer":"ada","weight":1,"price":1e39}`:                         false,
	`{"customer":"ada","weight":1,"quoted":-7}`:                          false,
	`{"customer":"ada","weight":1,"quoted":"128"}`:                       false,
	`{"customer":"ada","weight":1,"number":12345678901234567890}`:        true,
	`{"customer":"ada","weight":1,"number":"1.50"}`:                      true,
	`{"customer":"ada","weight":1,"number":"x"}`:                         false,
	`{"customer":"ada","weight":1,"raw":12345678901234567890}`:           true,
	`{"customer":"ada","weight":1,"any":9007199254740992}`:               true,
	`{"customer":"ada","weight":1,"any":1152921504606846976}`:            false, // 1<<60, which is written with other digits
	`{"customer":"ada","weight":1,"any":9007199254740993}`:               false,
	`{"customer":"ada","weight":1,"any":12345678901234567890}`:           false,
	`{"customer":"ada","weight":1,"any":{"a":[12345678901234567890]}}`:   false,
	`{"customer":"ada","weight":1,"any":{"a":["12345678901234567890"]}}`: true,
	`{"customer":"ada","weight":1,"any":1e400}`:                          false,
	// Members that are unknown, twice, of another case, or null.
	`{"customer":"ada","weight":1,"color":"red"}`:                                                 false,
	`{"customer":"ada","weight":1,"stops":[{"town":"x"}]}`:                                        false,
	`{"customer":"ada","weight":1,"":1}`:                                                          false,
	`{"customer":"ada","weight":1,"weight":2,"stops":[{"at":1},{"at":2}],"stops":[{"city":"x"}]}`: true,
	`{"customer":"ada","weight":1,"labels":{"a":"1"},"labels":{"b":"2"}}`:                         true,
	`{"customer":"ada","weight":1,"customer":""}`:                                                 false,
	`{"CUSTOMER":"ada","Weight":1}`:                                                               true,
	`{"Customer":"bob","customer":"ada","weight":1}`:                                              true,
	`{"customer":"ada","weight":null}`:                                                            false,
	`{"customer":"ada","weight":1,"weight":null}`:                                                 true,
	`{"customer":"ada","weight":1,"stops":null,"labels":null,"due":null,"sum":null,"raw":null,"any":null,"remark":null,"parcel":null,"pair":null}`: true,
	`null`: false,
	// What is required.
	`{}`:                            false,
	`{"customer":"ada"}`:            false,
	`{"weight":1}`:                  false,
	`{"customer":"","weight":1}`:    false,
	`{"customer":"ada","weight":0}`: false,
	// Parts of the wrong kind, and what is no JSON.
	`{"customer":7,"weight":1}`:                                  false,
	`{"customer":"ada","weight":1,"stops":{}}`:                   false,
	`{"customer":"ada","weight":1,"due":"tomorrow"}`:             false,
	`{"customer":"ada","weight":1,"due":"2026-12-01t09:00:00z"}`: false,
	`{"customer":"ada","weight":1,"data":"?"}`:                   false,
	`{"customer":"ada","weight":1,"parcel":"1"}`:                 false,
	`{"customer":"ada","weight":1,"sum":1.5}`:                    false,
	`{"customer":"\ud800","weight":1}`:                           true,
	`[]`:                                                         false,
	`"ada"`:                                                      false,
	`{"customer":"ada","weight":1}{}`:                            false,
	`{"customer":"ada","weight":1`:                               false,
	``:                                                           false,
}

// TestAServerWithoutTheCodeAcceptsWhatTheCodeAccepts sends the same payloads to a server with
// the spec of a type and to servers that know its description alone.
func TestAServerWithoutTheCodeAcceptsWhatTheCodeAccepts(t *testing.T) {
	d := describedBy(shipmentSpec)
	store := memory.NewFleet()
	require.NoError(t, store.PutTypes(t.Context(), []fleet.Type{d}, time.Hour))
	withCode, want := knownBy(t, func(c *server.Config) { c.Types = []server.Type{shipmentSpec} })
	for name, edit := range map[string]func(*server.Config){
		"catalog": func(c *server.Config) { c.Catalog = fleet.Types{d} },
		"fleet":   func(c *server.Config) { c.Fleet = fleet.New(store, fleet.Config{}) },
	} {
		without, got := knownBy(t, edit)
		a, b := withCode.queues(), without.queues()
		for payload, accepted := range shipments {
			request := func() *v1.EnqueueRequest {
				return &v1.EnqueueRequest{Task: &v1.NewTask{Type: "freight", Payload: payload, Metadata: map[string]string{"tenant": "acme"}}}
			}
			_, errA := a.Enqueue(bounded(t), request())
			_, errB := b.Enqueue(bounded(t), request())
			require.Equal(t, accepted, errA == nil, "the spec: %s: %v", payload, errA)
			require.Equal(t, accepted, errB == nil, "the %s: %s: %v", name, payload, errB)
			assert.Equal(t, connect.CodeOf(errA), connect.CodeOf(errB), payload)
			if accepted {
				task := want.last()
				assert.Equal(t, shipmentSpec.Shape, task.Shape)
				assert.NotEmpty(t, task.UniqueKey)
				assert.NotEmpty(t, task.GroupKey)
				assert.Equal(t, task, got.last(), "the %s: %s", name, payload)
			} else {
				assert.Nil(t, want.last())
				assert.Nil(t, got.last())
			}
		}
	}
}

func TestThePolicyOfADescriptionIsThatOfItsSpec(t *testing.T) {
	want, got := shipmentSpec.Policy(), catalog.PolicyOf(describedBy(shipmentSpec))
	assert.Equal(t, want, got)
	for retry := 1; retry < 8; retry++ {
		assert.Equal(t, want.Retry.Delay(retry, 0.7), got.Retry.Delay(retry, 0.7))
	}
}
