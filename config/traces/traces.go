// Package traces registers what the section traces of a file leads to, with package config:
// OpenTelemetry spans, sent to a collector by OTLP over HTTP.
//
//	import _ "github.com/taskgen/taskgen/config/traces"
//
// What the section leaves out is as the standard variables say: OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_HEADERS and the others of the exporter, OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, and those of span limits and batches. With
// OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none there are no spans. The protocol is
// http/protobuf or http/json; grpc is an error.
//
// The package sets no global of OpenTelemetry. Code that makes spans of its own takes the
// provider from [Of].
package traces

import (
	"context"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/tracing"
)

func init() { config.RegisterTraces(build) }

// Of returns what makes the spans of a program, for otel.SetTracerProvider and for code that
// makes spans of its own. If the program makes none, it is one that makes none.
func Of(p *config.Program) trace.TracerProvider {
	if p.Traces != nil {
		if provider, ok := p.Traces.Made.(trace.TracerProvider); ok {
			return provider
		}
	}
	return noop.NewTracerProvider()
}

func build(ctx context.Context, c config.TracesConfig, deps config.Deps) (*config.Telemetry, error) {
	off, err := switchedOff()
	if err != nil {
		return nil, err
	}
	var provider trace.TracerProvider = noop.NewTracerProvider()
	var end func(ctx context.Context) error
	if !off {
		if provider, end, err = newProvider(ctx, c, deps); err != nil {
			return nil, err
		}
	}
	t := tracing.New(tracing.Config{TracerProvider: provider, ParentFromProducer: c.ParentFromProducer, ErrorOnRetry: c.ErrorOnRetry})
	return &config.Telemetry{Listener: t.Listener(), Exemplar: tracing.Exemplar, TraceID: tracing.TraceID, LogHandler: tracing.NewLogHandler, Close: end, Made: provider}, nil
}

// switchedOff reads the variables that the exporter and the SDK do not read by themselves.
func switchedOff() (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return true, nil
	}
	switch exporter := os.Getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return true, nil
	case "", "otlp":
	default:
		return false, fmt.Errorf("the variable OTEL_TRACES_EXPORTER is %q: there are otlp and none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol == "http/protobuf" || protocol == "http/json" {
			break
		} else if protocol != "" {
			return false, fmt.Errorf("the variable %s is %q: there are http/protobuf and http/json, to port 4318 of a collector", name, protocol)
		}
	}
	return false, nil
}

// newProvider makes the SDK of a program, and returns what sends its last spans.
func newProvider(ctx context.Context, c config.TracesConfig, deps config.Deps) (trace.TracerProvider, func(ctx context.Context) error, error) {
	endpoint, headers, err := c.Collector()
	if err != nil {
		return nil, nil, err
	}
	var opts []otlptracehttp.Option
	if endpoint != "" {
		opts = append(opts, otlptracehttp.WithEndpointURL(endpoint))
	}
	if headers != nil {
		opts = append(opts, otlptracehttp.WithHeaders(headers))
	}
	exporter, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, nil, err
	}
	logging := newLoggingExporter(exporter, headers, deps.Logger)
	all := []sdk.TracerProviderOption{sdk.WithBatcher(logging)}
	if c.Ratio != nil {
		all = append(all, sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(float64(*c.Ratio)))))
	}
	if c.Service != "" {
		named, err := resource.Merge(resource.Default(), resource.NewSchemaless(attribute.String("service.name", c.Service)))
		if err != nil {
			return nil, nil, err
		}
		all = append(all, sdk.WithResource(named))
	}
	provider := sdk.NewTracerProvider(all...)
	return provider, func(ctx context.Context) error {
		if err := provider.Shutdown(ctx); err != nil { // nil says nothing of the last export
			logging.report(ctx, err)
			_ = exporter.Shutdown(ctx) // cuts off what is still being sent
		}
		return nil
	}, nil
}
