package server

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
)

type payment struct {
	To   string `json:"to"`
	Card string `json:"card"`
}

// A flakyStore is a fleet's store, and what keeps Types from answering.
type flakyStore struct {
	fleet.Store
	fails func(ctx context.Context) error
	asked int
}

func (s *flakyStore) Types(ctx context.Context) ([]fleet.Type, error) {
	s.asked++
	if err := s.fails(ctx); err != nil {
		return nil, err
	}
	return s.Store.Types(ctx)
}

func knowing(t *testing.T, store fleet.Store, log *strings.Builder) *types {
	t.Helper()
	s, err := New(Config{
		Manager: runtime.NewManager(runtime.ManagerConfig{}), Types: []Type{&runtime.Spec[payment]{Type: "payment", Secrets: []string{"/card"}}},
		Fleet: fleet.New(store, fleet.Config{}), Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.types
}

// TestNoPayloadIsShownUntilTheFleetHasSaidWhatIsSecret is about a worker that is newer than
// the server: its type has a secret that the spec here lacks.
func TestNoPayloadIsShownUntilTheFleetHasSaidWhatIsSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("no route")
		store := &flakyStore{Store: memory.NewFleet(), fails: func(context.Context) error { return away }}
		require.NoError(t, store.PutTypes(t.Context(), []fleet.Type{{Name: "payment", Secrets: []string{"/to"}}}, time.Hour))
		var log strings.Builder
		types := knowing(t, store, &log)
		task := &runtime.Task{Type: "payment", Payload: []byte(`{"to":"x","card":"4111"}`)}
		for range 3 {
			assert.Equal(t, "null", types.redacted(t.Context(), task))
		}
		assert.Equal(t, 1, store.asked, "a fleet that is away is not asked for each task")
		assert.Equal(t, 1, strings.Count(log.String(), "no route"))
		assert.Len(t, types.list(t.Context()), 1, "the server's own types are known all the same")

		away = nil
		time.Sleep(typesFor)
		shown := types.redacted(t.Context(), task)
		assert.NotContains(t, shown, `"x"`)
		assert.NotContains(t, shown, "4111")
		assert.Contains(t, shown, `"to"`)

		away = errors.New("no route again")
		time.Sleep(typesFor)
		assert.Equal(t, shown, types.redacted(t.Context(), task), "what it has said before counts")
	})
}

func TestACallerThatLeavesDoesNotKeepTheFleetFromBeingHeard(t *testing.T) {
	store := &flakyStore{Store: memory.NewFleet(), fails: context.Context.Err}
	types := knowing(t, store, new(strings.Builder))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	types.list(gone)
	assert.True(t, types.complete())
}

func TestAFleetThatHangsIsWaitedForShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flakyStore{Store: memory.NewFleet(), fails: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		types := knowing(t, store, new(strings.Builder))
		began := time.Now()
		types.list(t.Context())
		assert.Equal(t, typesLimit, time.Since(began))
	})
}

func TestTheVersionIsThatOfThisModule(t *testing.T) {
	for want, info := range map[string]*debug.BuildInfo{
		"unknown": {},
		"v1.2.3":  {Main: debug.Module{Path: module, Version: "v1.2.3"}},
		"v1.2.4":  {Main: debug.Module{Path: "shop", Version: "v9"}, Deps: []*debug.Module{{Path: "other", Version: "v8"}, {Path: module, Version: "v1.2.4"}}},
		"v1.2.5":  {Main: debug.Module{Path: "shop"}, Deps: []*debug.Module{{Path: module, Version: "v1", Replace: &debug.Module{Path: "fork", Version: "v1.2.5"}}}},
	} {
		assert.Equal(t, want, versionOf(info))
	}
}
