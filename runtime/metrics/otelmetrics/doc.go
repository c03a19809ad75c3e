// Package otelmetrics counts and times for OpenTelemetry what the managers, pools and queues
// of a program do. It is an alternative to package metrics, which does so for Prometheus, and
// takes the same events.
//
// The instruments that begin with messaging. are those of the semantic conventions for
// messaging, whose status is Development: their names may change with a later version. The
// others begin with taskgen.; the page docs/observability.md lists both. The package uses
// the API of OpenTelemetry alone: the program brings the SDK, with its exporter and its views.
package otelmetrics
