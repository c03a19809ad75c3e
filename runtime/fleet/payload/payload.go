// Package payload shows and checks the payloads of tasks by what workers have published
// about their types: it is for tools without the users' code. It links a validator of
// JSON Schema, which workers do not need.
package payload

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/internal/jsonpayload"
)

// ErrInvalid: a payload does not fit the schema of its type, or is not JSON.
var ErrInvalid = errors.New("taskgen: invalid payload")

// Redact returns the payload of a task of type t with runtime.Redacted in place of each
// secret. A payload that is not JSON, as one that was encrypted or compressed
// (Task.Encoding), becomes null.
func Redact(t fleet.Type, payload []byte) json.RawMessage {
	return jsonpayload.Redact(payload, t.Secrets)
}

// Check checks a payload against the schema of type t; without a schema any JSON is valid.
// The error wraps ErrInvalid and says where the payload does not fit, without its secrets;
// or it says that the schema cannot be used.
func Check(t fleet.Type, payload []byte) error { return NewChecker(t).Check(payload) }

// A Checker checks payloads of one type, whose schema it has read once. It is safe for
// concurrent use.
type Checker struct {
	secrets []string
	schema  *jsonpayload.Schema
	err     error // the schema cannot be used
}

// NewChecker returns the checker of a type.
func NewChecker(t fleet.Type) *Checker {
	c := &Checker{secrets: t.Secrets}
	c.schema, c.err = jsonpayload.Compile(t.Name, t.Schema)
	return c
}

// Check is the function Check for the checker's type.
func (c *Checker) Check(payload []byte) error {
	v, err := jsonpayload.Decode(payload)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrInvalid, jsonpayload.SyntaxError(err))
	}
	if c.err != nil {
		return c.err
	}
	if err := c.schema.Check(v, c.secrets); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}
