package target

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// An inProcess carries requests to a handler of this process, without a port. Answers come as
// they are written, so that streams work.
type inProcess struct {
	handler http.Handler
	running sync.WaitGroup
}

// RoundTrip implements http.RoundTripper.
func (t *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/2.0", 2, 0
	if in.Body == nil {
		in.Body = http.NoBody
	}
	read, write := io.Pipe()
	w := &responseWriter{header: make(http.Header), body: write, sent: make(chan struct{})}
	t.running.Add(1)
	go func() {
		defer t.running.Done()
		defer in.Body.Close()
		defer w.finish()
		t.handler.ServeHTTP(w, in)
	}()
	select {
	case <-w.sent:
	case <-ctx.Done():
		cancel()
		_ = read.CloseWithError(ctx.Err())
		return nil, ctx.Err()
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status, Proto: in.Proto, ProtoMajor: 2,
		Header: w.head, Body: &responseBody{read, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// wait waits until the handler has returned from all calls.
func (t *inProcess) wait() { t.running.Wait() }

// A responseWriter is the handler's end of an answer.
type responseWriter struct {
	header http.Header
	body   *io.PipeWriter
	sent   chan struct{} // closed once status and head are set
	status int
	head   http.Header
}

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status, w.head = status, w.header.Clone()
	close(w.sent)
}

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher: nothing is kept back but the head.
func (w *responseWriter) Flush() { w.WriteHeader(http.StatusOK) }

// finish ends the answer. A handler that panics breaks it off, as it would a connection.
func (w *responseWriter) finish() {
	if p := recover(); p != nil {
		w.WriteHeader(http.StatusInternalServerError)
		_ = w.body.CloseWithError(fmt.Errorf("the API panicked: %v", p))
		return
	}
	w.WriteHeader(http.StatusOK)
	_ = w.body.Close()
}

// A responseBody is the client's end. Closing it ends the handler's context.
type responseBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *responseBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
