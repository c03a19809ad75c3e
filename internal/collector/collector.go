// Package collector receives OpenTelemetry spans in tests, by OTLP over HTTP as a collector
// does.
package collector

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A Span is one that was received.
type Span struct {
	*trace.Span
	Service string      // service.name of its resource
	Header  http.Header // of the request that it came with
}

// A Collector is a server of a test. It is safe for concurrent use.
type Collector struct {
	// URL is its address, without a path.
	URL string

	server *httptest.Server
	mu     sync.Mutex
	refuse func() (status int, body string)
	spans  []Span
	more   chan struct{} // closed when something has come
}

// Start starts a collector, which Close ends.
func Start() *Collector {
	c := &Collector{more: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", c.take)
	c.server = httptest.NewServer(mux)
	c.URL = c.server.URL
	return c
}

// Close ends the collector and its connections.
func (c *Collector) Close() { c.server.Close() }

// Refuse makes the collector answer every request as answer says. Nil: it takes spans again.
func (c *Collector) Refuse(answer func() (status int, body string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = answer
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	refuse := c.refuse
	c.mu.Unlock()
	if refuse != nil {
		status, body := refuse()
		http.Error(w, body, status)
		return
	}
	body, err := io.ReadAll(r.Body)
	var request otlp.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, attribute := range resource.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				service = attribute.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, Span{span, service, r.Header})
			}
		}
	}
	close(c.more)
	c.more = make(chan struct{})
}

// Spans are all that have come so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Await returns the first span that is wanted, once it has come. The error, if ctx ends
// before, lists what has come.
func (c *Collector) Await(ctx context.Context, wanted func(s Span) bool) (Span, error) {
	for {
		c.mu.Lock()
		i, more := slices.IndexFunc(c.spans, wanted), c.more
		if i >= 0 {
			defer c.mu.Unlock()
			return c.spans[i], nil
		}
		c.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			var names []string
			for _, s := range c.Spans() {
				names = append(names, s.Service+": "+s.GetName())
			}
			return Span{}, fmt.Errorf("the span is not among the %d that have come, %q: %w", len(names), names, ctx.Err())
		}
	}
}
