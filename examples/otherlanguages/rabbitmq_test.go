package otherlanguages

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

func sortMails(mails []string) { slices.Sort(mails) } // a standard queue has no order

// publish enqueues on RabbitMQ with an AMQP client alone. Other languages have clients
// with the same calls.
func publish(t *testing.T, url string, specs []spec) []string {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	returned := ch.NotifyReturn(make(chan amqp.Return, len(specs)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ids := make([]string, len(specs))
	for i, s := range specs {
		ids[i] = uuid.NewString()
		body, err := json.Marshal(map[string]any{
			"v": 1, "id": ids[i], "type": s.Type, "queue": s.Queue, "payload": s.Payload, "created_at": time.Now(),
			"priority": s.Priority, "group_key": s.GroupKey,
		})
		require.NoError(t, err)
		m := amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "application/json", MessageId: ids[i], Body: body}

		line := s.Priority
		if s.Queue == "orders" { // fifo
			hash := fnv.New32a()
			hash.Write([]byte(s.GroupKey))
			line = int(hash.Sum32() % 16)
		}
		key := "taskgen." + s.Queue
		if line > 0 {
			key += ":" + strconv.Itoa(line)
		}
		if s.ScheduledFor != nil {
			key = "taskgen." + s.Queue + ":gate"
			m.Headers = amqp.Table{"x-taskgen-due": s.ScheduledFor.UnixNano(), "x-taskgen-line": int64(line)}
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", key, true, false, m)
		require.NoError(t, err)
		acked, err := confirm.WaitContext(ctx)
		require.NoError(t, err)
		require.True(t, acked, "the broker refused %v", s)
	}
	select {
	case r := <-returned:
		require.Fail(t, fmt.Sprintf("no queue takes %s", r.RoutingKey))
	default:
	}
	return ids
}
