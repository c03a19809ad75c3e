package fleetstore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// A Type describes a type of tasks, as the Spec of a worker declares it.
type Type struct {
	Name       string        `json:"name"`
	Aliases    []string      `json:"aliases,omitempty"`
	Queue      string        `json:"queue,omitempty"`   // empty if none is named
	Schema     string        `json:"schema,omitempty"`  // the JSON Schema of its payload; empty if it has none, or one that is too large to be published
	Secrets    []string      `json:"secrets,omitempty"` // the paths of the payload's secret fields
	Timeout    time.Duration `json:"timeout,omitempty"` // in nanoseconds; 0: none
	MaxRetries int           `json:"max_retries,omitempty"`
	Result     bool          `json:"result,omitempty"` // its handler returns a result
}

// Encode writes the description as a store keeps it.
func (t *Type) Encode() ([]byte, error) { return json.Marshal(t) }

// Decode reads what Encode wrote.
func (t *Type) Decode(data []byte) error {
	if err := json.Unmarshal(data, t); err != nil {
		return fmt.Errorf("taskgen: the description of a type: %w", err)
	}
	return nil
}

// Sum is the name under which a store keeps what Encode wrote: equal descriptions have
// equal sums.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
