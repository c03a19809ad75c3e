package runtime

import (
	"fmt"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// Redacted replaces a secret.
const Redacted = redact.Mark

// Redact returns v as people and logs may see it: a struct becomes a group of its
// fields under their JSON names, with [Redacted] in place of each field tagged
// task:"secret", at any depth, also behind interfaces and in the keys of maps. Fields
// that do not travel are left out. A field whose value is a slog.LogValuer decides how
// it is shown. A value that leads back to itself, and anything deeper than 32 levels or
// beyond 10,000 values, is not shown.
func Redact(v any) slog.Value { return redact.Value(v) }

// RedactAttr hides secrets in an attribute of a log. It is for
// slog.HandlerOptions.ReplaceAttr, and for the ReplaceAttr of a program to call:
//
//	slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: runtime.RedactAttr})
//
// Tasks and the types of their packages that hold secrets hide them from every log
// without it. RedactAttr is needed for structs of other packages with fields tagged
// task:"secret", and for tasks in unexported fields. An attribute without secrets stays
// unchanged.
func RedactAttr(groups []string, a slog.Attr) slog.Attr { return redact.Attr(groups, a) }

// RedactedString returns what Redact does as text:
//
//	tasks.EmbeddingTask{text: "a cat", api_key: ••••}
func RedactedString(v any) string { return redact.String(v) }

// LogValue is the body of a generated LogValue: it returns a value that becomes
// Redact(v) when a log resolves it.
func LogValue(v any) slog.Value { return redact.LogValue(v) }

// FormatRedacted is the body of a Format method. For every verb it prints v by its
// GoString, Error or String method, if it has one that package fmt would call, else as
// RedactedString.
func FormatRedacted(f fmt.State, verb rune, v any) { redact.Format(f, verb, v) }

// MarshalRedacted is the body of a generated MarshalJSON. It encodes whole, which is
// the value as a type without that method. Only for a log it encodes what [Redact]
// shows of value, or its LogValue if it has one. Packages of the standard library and
// of well-known loggers count as logs, and so do the methods by which a value presents
// itself to one, such as LogValue. The stack shows the caller; if it is unclear, the
// value is encoded whole.
func MarshalRedacted(value, whole any) ([]byte, error) { return redact.Marshal(value, whole) }

// NoMarshalJSON keeps a struct from being encoded by the MarshalJSON of a struct that
// it embeds. The two methods are ambiguous, so that neither is promoted, and
// encoding/json writes all fields:
//
//	type View struct {
//		tasks.EmbeddingTask
//		runtime.NoMarshalJSON
//		Done bool `json:"done"`
//	}
//
// Secrets of the embedded struct are then written in clear, to logs as well.
type NoMarshalJSON = redact.NoMarshalJSON
