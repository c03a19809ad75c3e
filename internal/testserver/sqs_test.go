package testserver_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
)

// ask calls an operation of SQS and returns the body of the answer.
func ask(t *testing.T, s *testserver.Server, operation, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(body))
	require.NoError(t, err)
	req.Close = true
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=none")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

func TestSQSEmulatorsTakeQueuesAndForgetThemInARestart(t *testing.T) {
	for _, name := range []string{testserver.FauxSQS, testserver.LocalAWSSQS} {
		t.Run(name, func(t *testing.T) {
			s, err := testserver.SQSEmulator(name)
			require.NoError(t, err)
			defer func() { assert.NoError(t, s.Stop()) }()
			status, body := ask(t, s, "CreateQueue", `{"QueueName":"q"}`)
			require.Equal(t, http.StatusOK, status, body)
			_, body = ask(t, s, "ListQueues", "{}")
			require.Contains(t, body, "/q\"")
			require.NoError(t, s.Kill())
			require.NoError(t, s.Restart())
			_, body = ask(t, s, "ListQueues", "{}")
			require.NotContains(t, body, "/q\"")
		})
	}
}
