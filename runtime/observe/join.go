package observe

import (
	"context"
	"slices"
)

func reversed(listeners []*Listener) []*Listener {
	r := slices.Clone(listeners)
	slices.Reverse(r)
	return r
}

// of returns the functions that the listeners have set.
func of[F any](listeners []*Listener, field func(*Listener) F, set func(F) bool) []F {
	var fs []F
	for _, l := range listeners {
		if l == nil {
			continue
		}
		if f := field(l); set(f) {
			fs = append(fs, f)
		}
	}
	return fs
}

// each joins functions of one argument; nil if there are none.
func each[A any](listeners []*Listener, field func(*Listener) func(A)) func(A) {
	switch fs := of(listeners, field, func(f func(A)) bool { return f != nil }); len(fs) {
	case 0:
		return nil
	case 1:
		return fs[0]
	default:
		return func(a A) {
			for _, f := range fs {
				f(a)
			}
		}
	}
}

// pairs joins functions of two arguments.
func pairs[A, B any](listeners []*Listener, field func(*Listener) func(A, B)) func(A, B) {
	switch fs := of(listeners, field, func(f func(A, B)) bool { return f != nil }); len(fs) {
	case 0:
		return nil
	case 1:
		return fs[0]
	default:
		return func(a A, b B) {
			for _, f := range fs {
				f(a, b)
			}
		}
	}
}

// contexts joins functions that pass a context on.
func contexts[A any](listeners []*Listener, field func(*Listener) func(context.Context, A) context.Context) func(context.Context, A) context.Context {
	switch fs := of(listeners, field, func(f func(context.Context, A) context.Context) bool { return f != nil }); len(fs) {
	case 0:
		return nil
	case 1:
		return fs[0]
	default:
		return func(ctx context.Context, a A) context.Context {
			for _, f := range fs {
				ctx = f(ctx, a)
			}
			return ctx
		}
	}
}
