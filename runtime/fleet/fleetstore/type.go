package fleetstore

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/taskgen/taskgen/internal/typeinfo"
)

// What is known about a type of tasks without its code. Package catalog of the runtime makes
// tasks of it.
type (
	// A Type describes a type of tasks, as the Spec of a worker declares it: its Name,
	// Aliases, Queue, Schema, Shape, Secrets, Timeout, MaxRetries, Retry and Retention;
	// Result, if its handler returns one; and its Template. Durations are in nanoseconds in JSON. The
	// Schema is empty if the type has none, or one that is too large to be published. The
	// methods Encode and Decode write it as a store keeps it, and read that.
	Type = typeinfo.Type
	// A Template is how a task of a type is made without the payload's type. Nil: a worker
	// of an older version has published the type, and no task can be made of it.
	Template = typeinfo.Template
	// Retry is when a failed task is retried: Backoff, Base, Cap, Factor and Jitter of a
	// runtime.RetryPolicy.
	Retry = typeinfo.Retry
)

// Sum is the name under which a store keeps what Encode wrote: equal descriptions have
// equal sums.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
