package driver

import (
	"encoding/base64"
	"strings"
	"time"
)

// UndecodableType is the type of a task that represents a message that cannot be
// decoded. No handler takes it: a pool buries such a task.
const UndecodableType = "taskgen.undecodable"

// Undecodable returns a valid task that represents a message that cannot be decoded. Its
// payload is the message in base64, as a JSON string, and its CreatedAt is at. Invalid
// UTF-8 in the ID is replaced. Providers use it where a dead letter queue is read; the
// caller adds the reason with [RecordDeath].
func Undecodable(id, queue string, message []byte, at time.Time) *Task {
	return &Task{
		ID: strings.ToValidUTF8(id, "?"), Type: UndecodableType, Queue: queue, CreatedAt: at,
		Payload: []byte(`"` + base64.StdEncoding.EncodeToString(message) + `"`),
	}
}
