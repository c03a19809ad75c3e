package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/server"
)

func TestAnAddressThatIsTakenBeforehandIsServedAlike(t *testing.T) {
	s := newServer(t, server.Config{})
	_, err := s.Listen(t.Context(), ":0")
	require.ErrorContains(t, err, "there are no tokens")
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServeOn(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for host, want := range map[string]int{ln.Addr().String(): http.StatusOK, "evil.example": http.StatusForbidden} {
		r, err := http.NewRequestWithContext(bounded(t), http.MethodPost, "http://"+ln.Addr().String()+taskgenv1connect.QueueMonitoringServiceListTypesProcedure, strings.NewReader("{}"))
		require.NoError(t, err)
		r.Host = host
		r.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, want, answer.StatusCode, host)
	}
	stop()
	require.NoError(t, <-served)
}
