package runtime

import (
	"time"

	"github.com/taskgen/taskgen/runtime/internal/jsonvalue"
)

// NewTaskJSON is [NewTask] for a payload that comes as JSON, from a producer that has no
// value of type T: it decodes the payload, so that the spec's Validate, its keys and its
// codec apply as they do to an enqueue in Go. Members that T lacks are refused: nobody would
// read them. So is an integer that an interface in T would hold as another number, a float64.
// The error wraps ErrInvalidTask, and quotes nothing of a payload with secrets.
func (s *Spec[T]) NewTaskJSON(payload []byte, now time.Time, opts ...EnqueueOption) (*Task, error) {
	var v T
	if err := s.decodeJSON(payload, &v); err != nil {
		return nil, invalid("the payload of a task of type %s: %w", s.Type, err)
	}
	return NewTask(s, &v, now, opts...)
}

// decodeJSON decodes one JSON value and nothing behind it. With secrets, its error quotes
// neither an error of a decoding method nor a panic in it.
func (s *Spec[T]) decodeJSON(payload []byte, v *T) (err error) {
	if s.secret() {
		defer redactPanic(&err, codecPanicked)
	}
	return jsonvalue.Decode(payload, v, s.secret())
}
