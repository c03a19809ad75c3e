package tracing

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/tracing.md")

// conventional are the keys and values that OpenTelemetry's own module names.
var conventional = map[attribute.Key]attribute.Key{
	keySystem: semconv.MessagingSystemKey, keyOperation: semconv.MessagingOperationNameKey, keyType: semconv.MessagingOperationTypeKey,
	keyDestination: semconv.MessagingDestinationNameKey, keyMessageID: semconv.MessagingMessageIDKey,
	keyBatchCount: semconv.MessagingBatchMessageCountKey, keyClientID: semconv.MessagingClientIDKey, keyErrorType: semconv.ErrorTypeKey,
	keyExceptionType: semconv.ExceptionTypeKey, keyExceptionText: semconv.ExceptionMessageKey, keyExceptionStack: semconv.ExceptionStacktraceKey,
}

func TestNamesAreThoseOfTheConventionsOrOurOwn(t *testing.T) {
	for _, e := range attributes {
		if want, ok := conventional[e.key]; ok {
			assert.Equal(t, want, e.key)
		} else {
			assert.True(t, strings.HasPrefix(string(e.key), "taskgen."), "%s is neither of the conventions nor ours", e.key)
		}
	}
	types := []string{
		semconv.MessagingOperationTypeSend.Value.AsString(), semconv.MessagingOperationTypeProcess.Value.AsString(), semconv.MessagingOperationTypeSettle.Value.AsString(),
	}
	for _, op := range operations {
		assert.Contains(t, types, op.typ)
	}
	assert.Equal(t, semconv.MessagingSystemAWSSQS.Value.AsString(), systemOf("sqs"))
	assert.Equal(t, semconv.MessagingSystemRabbitMQ.Value.AsString(), systemOf("rabbitmq"))
	assert.Equal(t, semconv.ErrorTypeOther.Value.AsString(), other)
}

// TestTheDocsHaveTheTables keeps docs/tracing.md equal to the tables of names.go. Run with
// -update to rewrite it.
func TestTheDocsHaveTheTables(t *testing.T) {
	const file, begin, end = "../../docs/tracing.md", "<!-- begin of names.go -->\n", "<!-- end of names.go -->\n"
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(data), begin)
	require.True(t, ok, "%s has no line %q", file, begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %q", file, end)
	want := head + begin + tables() + end + tail
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(data), "out of date: go test ./runtime/tracing -run Tables -update")
}

// tables is what the docs say of names.go.
func tables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe names are those of %s, which every span names as its schema.\n\n", SchemaURL)
	b.WriteString("| span | kind | `messaging.operation.type` | what it covers |\n|---|---|---|---|\n")
	for _, op := range operations {
		fmt.Fprintf(&b, "| `%s {queue}` | %s | `%s` | %s |\n", op.name, op.kind, op.typ, op.what)
	}
	b.WriteString("\n| attribute | on | what it is |\n|---|---|---|\n")
	for _, e := range attributes {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.key, e.on, e.what)
	}
	b.WriteString("\n| `error.type` | the error is or wraps |\n|---|---|\n")
	for _, c := range classes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.name, strings.TrimPrefix(c.err.Error(), "taskgen: "))
	}
	b.WriteString("\n")
	return b.String()
}

func (p places) String() string {
	if p == onSpans {
		return "spans"
	}
	var on []string
	for i, name := range []string{"send", "process", "settle", "links", "`exception` event"} {
		if p&(1<<i) != 0 {
			on = append(on, name)
		}
	}
	return strings.Join(on, ", ")
}
