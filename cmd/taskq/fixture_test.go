package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taskgen/taskgen/internal/testserver"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/server"
)

// The tokens of the fixture, by role.
const (
	viewerToken = "viewer-0123456789"
	adminToken  = "admin-0123456789"
)

// canary is a secret that no output may show.
const canary = "CANARY-4711"

// A mail is a payload with a secret.
type mail struct {
	To    string `json:"to"`
	Token string `json:"token,omitempty"`
}

var mailSpec = runtime.Spec[mail]{
	Type: "mail", Queue: "emails", Shape: "5a9d0b1c00fe", Secrets: []string{"/token"}, Retry: runtime.RetryPolicy{Max: 2}, Timeout: time.Minute,
	Schema: `{"type":"object","properties":{"to":{"type":"string"},"token":{"type":"string"}},"required":["to"],"additionalProperties":false}`,
}

// A fixture is a server with something on it: the queue emails has the ready task welcome-ada,
// the scheduled one reminder-ada, and the dead letters welcome-bob, dead-2 and dead-3, which two errors
// have; the queue images is empty. The job monday-mail is scheduled, and the worker mail-1 runs
// the task busy-1. A database of SQLite has the same queues with the same tasks.
type fixture struct {
	url, sqlite string

	ends []func() error
}

func newFixture(dir string) (*fixture, error) {
	f := new(fixture)
	p, kept := memory.New(), memory.NewResults()
	if err := f.serve(p, kept); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "tasks.db")
	f.sqlite = "sqlite://" + path
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	defer m.Close()
	if err := openQueues(m, db); err != nil {
		return nil, err
	}
	s, err := server.New(server.Config{Manager: m, Types: []server.Type{&mailSpec}, Logger: slog.New(slog.DiscardHandler), Audit: func(server.AuditRecord) {}})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(fill(taskgenv1connect.NewQueueServiceClient(direct{s.Handler()}, "http://localhost")), heartbeat(db.Fleet())); err != nil {
		return nil, err
	}
	return f, s.Close()
}

func openQueues(m *runtime.Manager, p runtime.Provider) error {
	return m.Open(context.Background(), p, runtime.QueueConfig{Name: "emails", Types: []string{"mail"}}, runtime.QueueConfig{Name: "images", Type: runtime.Priority, Levels: 3})
}

// serve starts the server.
func (f *fixture) serve(p *memory.Provider, kept *memory.Results) error {
	store := memory.NewFleet()
	workers := fleet.New(store, fleet.Config{Logger: slog.New(slog.DiscardHandler)})
	m := runtime.NewManager(runtime.ManagerConfig{Results: kept})
	f.ends = append(f.ends, p.Close, m.Close)
	if err := errors.Join(openQueues(m, p), heartbeat(store)); err != nil {
		return err
	}
	s, err := server.New(server.Config{
		Manager: m, Types: []server.Type{&mailSpec}, Providers: map[string]runtime.Provider{"main": p}, Fleet: workers, Results: kept,
		Scheduler: schedule.New(memory.NewJobs(), m, schedule.Config{}), History: history.New(memory.NewHistory(), history.Config{}),
		Logger: slog.New(slog.DiscardHandler), Audit: func(server.AuditRecord) {},
		Tokens: []server.Token{{Name: "wall", Role: server.Viewer, Secret: viewerToken}, {Name: "ops", Role: server.Admin, Secret: adminToken}},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeOn(ctx, listener) }()
	f.ends = append(f.ends, func() error { stop(); return <-done })
	f.url = "http://" + listener.Addr().String()
	client := &http.Client{Transport: withToken{}}
	if err := fill(taskgenv1connect.NewQueueServiceClient(client, f.url)); err != nil {
		return err
	}
	_, err = taskgenv1connect.NewSchedulerServiceClient(client, f.url).ScheduleJob(context.Background(), &v1.ScheduleJobRequest{
		Id: "monday-mail", When: &v1.When{When: &v1.When_Cron{Cron: &v1.Cron{Expression: "0 8 * * MON", Zone: "Europe/Berlin"}}}, Task: &v1.NewTask{Type: "mail", Payload: payloadOf("team@example.com")},
	})
	return err
}

func payloadOf(to string) string { return fmt.Sprintf(`{"to":%q,"token":%q}`, to, canary) }

// heartbeat registers the worker mail-1.
func heartbeat(store fleet.Store) error {
	w := &fleet.Worker{
		ID: "w-1", Name: "mail-1", Host: "host-1", PID: 17, Slots: 10, Busy: 1, StartedAt: time.Now(), Queues: []fleet.Queue{{Name: "emails", Provider: "memory"}, {Name: "letters", Provider: "memory"}},
		Types: []string{"mail"}, Running: []fleet.Run{{TaskID: "busy-1", Type: "mail", Queue: "emails", Attempt: 1, Since: time.Now()}},
	}
	described := fleet.Type{Name: "mail", Queue: "emails", Schema: mailSpec.Schema, Secrets: mailSpec.Secrets, Timeout: mailSpec.Timeout, MaxRetries: mailSpec.Retry.Max}
	_, err := store.Heartbeat(context.Background(), w, 0, time.Hour)
	return errors.Join(err, store.PutTypes(context.Background(), []fleet.Type{described}, time.Hour))
}

// fill enqueues the tasks of the fixture.
func fill(c taskgenv1connect.QueueServiceClient) error {
	ctx := context.Background()
	for _, one := range [][2]string{{"welcome-bob", "timeout after 10s"}, {"dead-2", "timeout after 20s"}, {"dead-3", "no such user"}} {
		id, why := one[0], one[1]
		if _, err := c.Enqueue(ctx, &v1.EnqueueRequest{Task: &v1.NewTask{Type: "mail", Id: id, Payload: payloadOf(id + "@example.com")}}); err != nil {
			return err
		}
		got, err := c.Dequeue(ctx, &v1.DequeueRequest{Queue: "emails"})
		if err != nil || len(got.GetDeliveries()) != 1 {
			return fmt.Errorf("dequeue %s: %w", id, err)
		}
		settled, err := c.DeadLetter(ctx, &v1.DeadLetterRequest{LeaseIds: []string{got.GetDeliveries()[0].GetLeaseId()}, Reason: why})
		if err != nil || settled.GetOutcomes()[0].GetError() != nil {
			return fmt.Errorf("bury %s: %v %w", id, settled, err)
		}
	}
	_, err := c.Enqueue(ctx, &v1.EnqueueRequest{Task: &v1.NewTask{Type: "mail", Id: "welcome-ada", Payload: payloadOf("ada@example.com")}})
	if err != nil {
		return err
	}
	late := &v1.NewTask{Type: "mail", Id: "reminder-ada", Payload: payloadOf("ada@example.com"), DueAt: timestamppb.New(time.Now().Add(24 * time.Hour))}
	_, err = c.Enqueue(ctx, &v1.EnqueueRequest{Task: late})
	return err
}

// tokenFiles writes the tokens into files.
func (f *fixture) tokenFiles(dir string) error {
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "viewer.token"), []byte(viewerToken+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "wrong.token"), []byte("CANARY-no-such-token\n"), 0o600),
	)
}

func (f *fixture) close() {
	for i := len(f.ends) - 1; i >= 0; i-- {
		if err := f.ends[i](); err != nil {
			panic(err)
		}
	}
}

// withToken sends the token of the admin.
type withToken struct{}

func (withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+adminToken)
	return http.DefaultTransport.RoundTrip(r)
}

// A direct client calls a handler.
type direct struct{ handler http.Handler }

// Do implements connect.HTTPClient.
func (d direct) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

var _ connect.HTTPClient = direct{}

// redisServer is the one of all scripts.
var redisServer = sync.OnceValues(func() (*testserver.Server, error) { return testserver.Redis() })

// startRedis sets REDIS to the URL of a server, with a prefix of the script's own.
func startRedis(ts *testscript.TestScript, _ bool, args []string) {
	s, err := redisServer()
	ts.Check(err)
	ts.Setenv("REDIS", s.URL+"?prefix="+args[0])
}
