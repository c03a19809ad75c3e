// Package secretpath reads the paths of runtime.Spec.Secrets, which lead to what
// is secret in a payload.
//
// A path is a JSON pointer (RFC 6901) with one addition: the step * is every
// element of a list or member of an object. In names ~0, ~1 and ~2 stand for ~, /
// and *. The empty path is the whole payload.
//
//	/card          the member card
//	/to/*/iban     the member iban of each element of to
//	/labels/api.key, /odd~1name
//
// A path that does not begin with a slash is of the form of before: names
// separated by dots. Nobody can tell there whether a dot is part of a name, so it
// leads to what any reading of it leads to: api.key to the member key of api, and
// to the member api.key.
package secretpath

import (
	"slices"
	"strings"
)

// A Set is what is secret at and below one place of a payload.
type Set []rest

// A rest is what is left of one path.
type rest struct {
	steps  []step
	dotted bool // names of several steps, with dots between, are read as one too
}

type step struct {
	name  string
	every bool
}

// Parse reads paths. One that is no pointer though it looks like one hides the
// whole payload: a secret must not be shown because of a slip.
func Parse(paths []string) Set {
	set := make(Set, len(paths))
	for i, path := range paths {
		switch {
		case path == "":
		case path[0] == '/':
			set[i].steps = pointer(path)
		default:
			set[i].dotted = true
			for name := range strings.SplitSeq(path, ".") {
				set[i].steps = append(set[i].steps, step{name, name == "*"})
			}
		}
	}
	return set
}

// pointer reads a JSON pointer. It returns nil where the pointer is malformed.
func pointer(path string) []step {
	var steps []step
	for name := range strings.SplitSeq(path[1:], "/") {
		if name == "*" {
			steps = append(steps, step{name, true})
			continue
		}
		plain, ok := Unescape(name)
		if !ok {
			return nil
		}
		steps = append(steps, step{name: plain})
	}
	return steps
}

// Unescape returns the name that Escape has made name of, and false if there is none.
func Unescape(name string) (string, bool) {
	var b strings.Builder
	for {
		before, after, escaped := strings.Cut(name, "~")
		b.WriteString(before)
		if !escaped {
			return b.String(), true
		}
		if after == "" {
			return "", false
		}
		i := strings.IndexByte("012", after[0])
		if i < 0 {
			return "", false
		}
		b.WriteByte("~/*"[i])
		name = after[1:]
	}
}

// Escape returns a name as it stands in a pointer.
func Escape(name string) string { return escapes.Replace(name) }

var escapes = strings.NewReplacer("~", "~0", "/", "~1", "*", "~2")

// Here reports whether the place itself is secret.
func (s Set) Here() bool {
	return slices.ContainsFunc(s, func(r rest) bool { return len(r.steps) == 0 })
}

// Member returns what is secret at and below a member of an object. Names are
// compared as encoding/json reads them, whatever their case.
func (s Set) Member(name string) Set {
	var below Set
	for _, r := range s {
		if len(r.steps) == 0 {
			continue
		}
		if r.steps[0].every || strings.EqualFold(r.steps[0].name, name) {
			below = append(below, rest{r.steps[1:], r.dotted})
		}
		if !r.dotted {
			continue
		}
		joined := r.steps[0].name
		for i, st := range r.steps[1:] {
			if joined += "." + st.name; strings.EqualFold(joined, name) {
				below = append(below, rest{r.steps[i+2:], true})
			}
		}
	}
	return below
}

// Element returns what is secret at and below each element of a list. ok is false
// where a path leads to a member of an object instead: the payload is not of the
// shape that the path was made for, and the secret may be anywhere in the list.
func (s Set) Element() (below Set, ok bool) {
	ok = true
	for _, r := range s {
		if len(r.steps) == 0 || !r.steps[0].every {
			ok = false
			continue
		}
		below = append(below, rest{r.steps[1:], r.dotted})
	}
	return below, ok
}
