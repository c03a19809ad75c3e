package command

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// A noteHandler prints what providers warn of, as notes of the command. While it collects,
// it keeps them instead.
type noteHandler struct {
	a        *app
	collects bool
	notes    []string
	attrs    []slog.Attr
	root     *noteHandler // of With; nil for the first
}

func (h *noteHandler) logger() *slog.Logger { return slog.New(h) }

// collect has what comes be kept from now on.
func (h *noteHandler) collect() {
	h.a.mu.Lock()
	defer h.a.mu.Unlock()
	h.collects = true
}

// kept is what has been.
func (h *noteHandler) kept() []string {
	h.a.mu.Lock()
	defer h.a.mu.Unlock()
	return slices.Clone(h.notes)
}

// Enabled implements slog.Handler.
func (h *noteHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle implements slog.Handler.
func (h *noteHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(attr slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%s", attr.Key, attr.Value)
		return true
	}
	for _, attr := range h.attrs {
		add(attr)
	}
	r.Attrs(add)
	first := h
	if h.root != nil {
		first = h.root
	}
	first.a.mu.Lock()
	defer first.a.mu.Unlock()
	if first.collects {
		first.notes = append(first.notes, b.String())
		return nil
	}
	first.a.Notef("%s: %s", strings.ToLower(r.Level.String()), b.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (h *noteHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &noteHandler{a: h.a, attrs: append(append([]slog.Attr(nil), h.attrs...), attrs...), root: h.root}
	if next.root == nil {
		next.root = h
	}
	return next
}

// WithGroup implements slog.Handler: the names of attributes stay as they are.
func (h *noteHandler) WithGroup(string) slog.Handler { return h }
