package runtime

import (
	"fmt"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// Redacted stands wherever a secret would.
const Redacted = redact.Mark

// Redact returns v as people and logs may see it: a struct becomes a group of
// its fields under their JSON names, with [Redacted] in place of each one that
// is tagged task:"secret", however deep it lies, behind interfaces and in the
// keys of maps too. Fields that do not travel are left out. A field whose value
// is a slog.LogValuer says itself how it is shown. A value that leads back to
// itself, and what lies deeper than 32 levels or beyond 10,000 values, is not
// shown.
func Redact(v any) slog.Value { return redact.Value(v) }

// RedactAttr hides secrets in an attribute of a log. It is for
// slog.HandlerOptions.ReplaceAttr, and for the ReplaceAttr of a program to call:
//
//	slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: runtime.RedactAttr})
//
// Tasks and the types of their packages that hold secrets hide them from every
// log without it. What needs it are structs of other packages with fields tagged
// task:"secret", and tasks in unexported fields. An attribute without secrets
// stays as it is.
func RedactAttr(groups []string, a slog.Attr) slog.Attr { return redact.Attr(groups, a) }

// RedactedString returns what Redact does as text:
//
//	tasks.EmbeddingTask{text: "a cat", api_key: ••••}
func RedactedString(v any) string { return redact.String(v) }

// LogValue is the body of a generated LogValue: it returns what becomes
// Redact(v) once a log takes it.
func LogValue(v any) slog.Value { return redact.LogValue(v) }

// FormatRedacted is the body of a Format method: it prints v by its GoString,
// Error or String method, where it has one that package fmt would call, else as
// RedactedString, whatever the verb.
func FormatRedacted(f fmt.State, verb rune, v any) { redact.Format(f, verb, v) }

// MarshalRedacted is the body of a generated MarshalJSON. It encodes whole,
// which is the value as a type without that method, unless a log asks: then it
// encodes what [Redact] shows of value, or its LogValue where it has one. Packages of
// the standard library and of well-known loggers count as logs, and so do the methods
// by which a value presents itself to one, such as LogValue. Who asks is read off the
// stack; where it cannot be told the value is encoded whole.
func MarshalRedacted(value, whole any) ([]byte, error) { return redact.Marshal(value, whole) }

// NoMarshalJSON keeps a struct from being encoded by the MarshalJSON of another
// that it embeds. The two methods stand in each other's way, so that neither is
// promoted, and encoding/json writes all fields:
//
//	type View struct {
//		tasks.EmbeddingTask
//		runtime.NoMarshalJSON
//		Done bool `json:"done"`
//	}
//
// Secrets of the embedded struct are then written in clear, to logs as well.
type NoMarshalJSON = redact.NoMarshalJSON
