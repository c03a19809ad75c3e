package generated

import (
	"fmt"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// LogValue is the body of a LogValue method: it returns a value that becomes what
// runtime.Redact shows of v when a log resolves it.
func LogValue(v any) slog.Value { return redact.LogValue(v) }

// Text is the body of a String or GoString method: what runtime.Redact shows of v, as
// text.
//
//	tasks.EmbeddingTask{text: "a cat", api_key: ••••}
func Text(v any) string { return redact.String(v) }

// Format is the body of a Format method. For every verb it prints v by its GoString,
// Error or String method, if it has one that package fmt would call, else as [Text].
func Format(f fmt.State, verb rune, v any) { redact.Format(f, verb, v) }

// MarshalJSON is the body of a MarshalJSON method. It encodes whole, which is the value
// as a type without that method. Only for a log it encodes what runtime.Redact shows of
// value, or its LogValue if it has one. Packages of the standard library and of
// well-known loggers count as logs, and so do the methods by which a value presents
// itself to one, such as LogValue. The stack shows the caller; if it is unclear, the
// value is encoded whole.
func MarshalJSON(value, whole any) ([]byte, error) { return redact.Marshal(value, whole) }

// NoMarshalJSON keeps a struct from being encoded by the MarshalJSON of a struct that
// it embeds. The two methods are ambiguous, so that neither is promoted, and
// encoding/json writes all fields:
//
//	type View struct {
//		tasks.EmbeddingTask
//		generated.NoMarshalJSON
//		Done bool `json:"done"`
//	}
//
// Secrets of the embedded struct are then written in clear, to logs as well.
type NoMarshalJSON = redact.NoMarshalJSON
