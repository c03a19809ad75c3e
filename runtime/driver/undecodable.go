package driver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// UndecodableType is the type of a task that represents a message that cannot be
// decoded. No handler takes it: a pool buries such a task.
const UndecodableType = "taskgen.undecodable"

// Undecodable returns a valid task that represents a message which cannot be decoded, with
// the record of its death on a queue, at a time, and why: cause is the decoder's error. All
// providers make it here, where they bury such a message and where they list one.
//
// The payload is the message in base64, as a JSON string. The ID is the name that the
// backend has for the message, so that one message has one ID wherever it is read; invalid
// UTF-8 in it is replaced. With "" the ID derives from the bytes of the message. The task
// has died without a run: its [MetaAttempts] is 0.
func Undecodable(id, queue string, message []byte, at time.Time, cause error) *Task {
	if id == "" {
		sum := sha256.Sum256(message)
		id = "undecodable-" + hex.EncodeToString(sum[:16])
	}
	t := &Task{
		ID: strings.ToValidUTF8(id, "?"), Type: UndecodableType, Queue: queue, CreatedAt: at,
		Payload: []byte(`"` + base64.StdEncoding.EncodeToString(message) + `"`),
	}
	why := strings.TrimPrefix(cause.Error(), ErrInvalidTask.Error()+": ") // said once
	RecordDeath(t, queue, at, fmt.Errorf("%w: the message cannot be decoded: %s", ErrInvalidTask, why))
	SetMeta(t, MetaAttempts, "0")
	return t
}
