package tasktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// Enqueued returns the payloads of all tasks of a spec's type, or of one of its
// aliases, that the Env's queues have accepted, in order. A payload that cannot be
// decoded fails the test.
func Enqueued[T any](tb testing.TB, env *Env, spec *runtime.Spec[T]) []T {
	tb.Helper()
	var all []T
	for _, t := range env.Tasks() {
		if t.Type != spec.Type && !slices.Contains(spec.Aliases, t.Type) {
			continue
		}
		v, err := spec.Decode(t)
		if err != nil {
			tb.Fatalf("tasktest: %v", err)
		}
		all = append(all, v)
	}
	return all
}

// RequireEnqueued fails the test unless exactly one task of the spec's type was
// enqueued whose payload match accepts, and returns that payload. A nil match accepts
// every payload.
func RequireEnqueued[T any](tb testing.TB, env *Env, spec *runtime.Spec[T], match func(T) bool) T {
	tb.Helper()
	all := Enqueued(tb, env, spec)
	found := matching(all, match)
	if len(found) != 1 {
		tb.Fatalf("tasktest: want one task of type %q%s, but %d were enqueued%s", spec.Type, wanted(match), len(found), listing(env, all))
	}
	return found[0]
}

// RequireNotEnqueued fails the test if a task of the spec's type was enqueued whose
// payload match accepts. A nil match accepts every payload.
func RequireNotEnqueued[T any](tb testing.TB, env *Env, spec *runtime.Spec[T], match func(T) bool) {
	tb.Helper()
	all := Enqueued(tb, env, spec)
	if found := matching(all, match); len(found) > 0 {
		tb.Fatalf("tasktest: want no task of type %q%s, but %d were enqueued%s", spec.Type, wanted(match), len(found), listing(env, found))
	}
}

func matching[T any](all []T, match func(T) bool) []T {
	var found []T
	for _, v := range all {
		if match == nil || match(v) {
			found = append(found, v)
		}
	}
	return found
}

func wanted[T any](match func(T) bool) string {
	if match == nil {
		return ""
	}
	return " that matches"
}

// listing shows payloads, without their secrets, and the other enqueued tasks.
func listing[T any](env *Env, payloads []T) string {
	var b strings.Builder
	for i, v := range payloads {
		if i == 10 {
			fmt.Fprintf(&b, "\n  … %d more", len(payloads)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s", redact.String(v))
	}
	n := types(env.Tasks())
	b.WriteString("\nenqueued in all:")
	if len(n) == 0 {
		b.WriteString(" nothing")
	}
	for _, name := range sortedTypes(n) {
		fmt.Fprintf(&b, " %d %s", n[name], name)
	}
	return b.String()
}
