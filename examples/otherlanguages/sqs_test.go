package otherlanguages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// sendBodies enqueues on SQS with nothing but the envelope and what SQS itself requires:
// when a task is due is said by the envelope alone.
func sendBodies(t *testing.T, url string, specs []spec) []string {
	t.Helper()
	ids := make([]string, len(specs))
	for i, s := range specs {
		ids[i] = uuid.NewString()
		envelope := map[string]any{
			"v": 1, "id": ids[i], "type": s.Type, "queue": s.Queue, "payload": s.Payload, "created_at": time.Now(),
			"priority": s.Priority, "group_key": s.GroupKey,
		}
		if s.ScheduledFor != nil {
			envelope["scheduled_for"] = s.ScheduledFor
		}
		body, err := json.Marshal(envelope)
		require.NoError(t, err)
		name, message := s.Queue, map[string]any{"MessageBody": string(body)}
		switch s.Queue {
		case "alerts":
			name += fmt.Sprint("--p", s.Priority)
		case "orders":
			name += ".fifo"
			message["MessageGroupId"], message["MessageDeduplicationId"] = fmt.Sprintf("%x", s.GroupKey), ids[i]
		}
		var found struct{ QueueUrl string }
		ask(t, url, "GetQueueUrl", map[string]any{"QueueName": name}, &found)
		message["QueueUrl"] = found.QueueUrl
		ask(t, url, "SendMessage", message, nil)
	}
	return ids
}

// ask sends one request of the JSON protocol of SQS, unsigned.
func ask(t *testing.T, url, operation string, request map[string]any, answer any) {
	t.Helper()
	body, err := json.Marshal(request)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=none")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	require.Equal(t, http.StatusOK, got.StatusCode, operation)
	if answer != nil {
		require.NoError(t, json.NewDecoder(got.Body).Decode(answer))
	}
}
