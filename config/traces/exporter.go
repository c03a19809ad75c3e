package traces

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// hidden is what the log has in place of a secret.
const hidden = "••••"

// A loggingExporter logs that spans cannot be sent: once, until they can be again. Without it the
// SDK would write each failure to standard error.
type loggingExporter struct {
	sdk.SpanExporter
	log     *slog.Logger // nil: slog.Default, as it is at the time
	secrets *strings.Replacer

	mu   sync.Mutex
	away bool
}

func newLoggingExporter(next sdk.SpanExporter, headers map[string]string, log *slog.Logger) *loggingExporter {
	var secrets []string
	for _, value := range headers {
		if value != "" { // a collector may repeat it in its answer
			secrets = append(secrets, value, hidden)
		}
	}
	return &loggingExporter{SpanExporter: next, log: log, secrets: strings.NewReplacer(secrets...)}
}

func (e *loggingExporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	e.report(ctx, e.SpanExporter.ExportSpans(ctx, spans))
	return nil
}

// report logs a change.
func (e *loggingExporter) report(ctx context.Context, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	log := e.log
	if log == nil {
		log = slog.Default()
	}
	switch {
	case err != nil && !e.away:
		log.WarnContext(ctx, "spans cannot be sent to the collector", "error", e.secrets.Replace(err.Error()))
	case err == nil && e.away:
		log.InfoContext(ctx, "spans are sent to the collector again")
	}
	e.away = err != nil
}
