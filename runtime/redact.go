package runtime

import (
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
