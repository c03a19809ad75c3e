package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/server"
)

func TestOnlyLargeAnswersOutsideOfTheQueueServiceAreCompressed(t *testing.T) {
	t.Parallel()
	queues := []runtime.QueueConfig{{Name: "payments", Types: []string{"payment"}}}
	for i := range 40 {
		queues = append(queues, runtime.QueueConfig{Name: fmt.Sprintf("queue-%d", i)})
	}
	s := start(t, server.Config{Manager: managerOf(t, queues...), Types: []server.Type{paymentSpec}})
	large, err := json.Marshal(map[string]any{"task": map[string]string{"type": "payment", "payload": `{"to":"` + strings.Repeat("a", 4<<10) + `"}`}})
	require.NoError(t, err)
	s.answers(taskgenv1connect.QueueServiceEnqueueProcedure, string(large), "")
	require.Greater(t, s.answers(taskgenv1connect.QueueServicePeekProcedure, `{"queue":"payments","limit":1}`, ""), 1<<10)
	s.answers(taskgenv1connect.QueueMonitoringServiceListTypesProcedure, `{}`, "")
	s.answers(taskgenv1connect.QueueAdminServiceListQueuesProcedure, `{}`, "gzip")
}

// answers makes a call that accepts gzip, checks how its answer is encoded, and returns the
// length of that.
func (s *testServer) answers(procedure, body, encoding string) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(bounded(s.t), http.MethodPost, s.url()+procedure, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, res.StatusCode, "%s: %s", procedure, answer)
	require.Equal(s.t, encoding, res.Header.Get("Content-Encoding"), procedure)
	return len(answer)
}
