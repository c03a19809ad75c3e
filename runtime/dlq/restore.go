package dlq

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/taskgen/taskgen/internal/secretpath"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/internal/jsonpayload"
)

// restore returns an edited value in which each runtime.Redacted is replaced by the
// secret of the old value. It refuses an edit that leaves open which secret belongs
// where: a secret in the wrong place is sent to the wrong people. at is the place of
// the values in their payloads.
func restore(edited, old any, secret secretpath.Set, at pointer) (any, error) {
	if edited == runtime.Redacted {
		if jsonpayload.Hide(old, secret) != runtime.Redacted {
			return nil, at.refuse("nothing was hidden there")
		}
		if len(secret) > 0 && holdsRedacted(old) {
			return nil, at.refuse("the value in the letter reads the same")
		}
		return old, nil
	}
	if secret.Here() {
		if holdsRedacted(edited) {
			return nil, at.refuse("it was hidden as a whole")
		}
		return edited, nil
	}
	switch e := edited.(type) {
	case map[string]any:
		was, _ := old.(map[string]any)
		whole := make(map[string]any, len(e))
		for _, name := range slices.Sorted(maps.Keys(e)) {
			if other, ok := movedFrom(e, was, name, secret); ok {
				return nil, at.below(name).refuse("what surrounds it was shown at " + strconv.Quote(string(at.below(other))))
			}
			v, err := restore(e[name], was[name], secret.Member(name), at.below(name))
			if err != nil {
				return nil, err
			}
			whole[name] = v
		}
		return whole, nil
	case []any:
		was, _ := old.([]any)
		return restoreList(e, was, secret, at)
	}
	return edited, nil
}

// movedFrom reports whether an edited member shows what another member of the old object
// showed: it would get the secrets of its new name.
func movedFrom(edited, old map[string]any, name string, secret secretpath.Set) (other string, moved bool) {
	if !holdsRedacted(edited[name]) {
		return "", false
	}
	look := canonicalJSON(jsonpayload.Hide(edited[name], secret.Member(name)))
	if look == canonicalJSON(jsonpayload.Hide(old[name], secret.Member(name))) {
		return "", false
	}
	for _, other := range slices.Sorted(maps.Keys(old)) {
		if hidden := jsonpayload.Hide(old[other], secret.Member(other)); other != name && holdsRedacted(hidden) && canonicalJSON(hidden) == look {
			return other, true
		}
	}
	return "", false
}

func restoreList(edited, old []any, secret secretpath.Set, at pointer) (any, error) {
	below, ok := secret.Element()
	if !ok && holdsRedacted(edited) {
		return nil, at.refuse("it was hidden as a whole")
	}
	oldIndexOf := matchElements(edited, old, below)
	whole := make([]any, len(edited))
	for i, e := range edited {
		var was any
		if holdsRedacted(e) {
			j := oldIndexOf(i)
			if j < 0 {
				return nil, at.below(strconv.Itoa(i)).refuse("its neighbours have changed, so its element of the list cannot be identified")
			}
			was = old[j]
		}
		v, err := restore(e, was, below, at.below(strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		whole[i] = v
	}
	return whole, nil
}

// matchElements returns a function that finds the old element of an edited one by what was
// shown of them; -1 if it cannot be identified. Elements that look the same are
// distinguished by position, as long as none of them has moved; if their secrets are also
// the same, the choice does not matter. No old element is matched twice.
func matchElements(edited, old []any, below secretpath.Set) func(i int) int {
	places, were := indexByShown(edited, below), indexByShown(old, below)
	return func(i int) int {
		look := canonicalJSON(jsonpayload.Hide(edited[i], below))
		candidates, rivals := were[look], places[look]
		switch {
		case len(candidates) == 0:
			return -1
		case slices.Equal(candidates, rivals):
			return i
		case allEqual(old, candidates) && countRedacted(edited, rivals) <= len(candidates):
			return candidates[0]
		}
		return -1
	}
}

// countRedacted counts the elements that need secrets.
func countRedacted(list []any, places []int) (n int) {
	for _, i := range places {
		if holdsRedacted(list[i]) {
			n++
		}
	}
	return n
}

// indexByShown maps the shown form of elements to their positions.
func indexByShown(list []any, below secretpath.Set) map[string][]int {
	places := make(map[string][]int)
	for i, v := range list {
		look := canonicalJSON(jsonpayload.Hide(v, below))
		places[look] = append(places[look], i)
	}
	return places
}

// allEqual reports whether elements are equal, their secrets included.
func allEqual(list []any, places []int) bool {
	first := canonicalJSON(list[places[0]])
	return !slices.ContainsFunc(places[1:], func(i int) bool { return canonicalJSON(list[i]) != first })
}

// canonicalJSON is the JSON of a decoded value, with the members of objects in order.
func canonicalJSON(v any) string {
	data, _ := json.Marshal(v) // decoded JSON: this cannot fail
	return string(data)
}

func holdsRedacted(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if holdsRedacted(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsRedacted)
	}
	return v == runtime.Redacted
}

// A pointer is a place in a payload, as a JSON pointer (RFC 6901).
type pointer string

func (p pointer) below(name string) pointer {
	return p + pointer("/"+secretpath.Escape(name))
}

func (p pointer) refuse(why string) error {
	return fmt.Errorf("%w: %s at %q matches no secret: %s: write the value itself, or leave what surrounds it as it was shown", ErrInvalidPayload, runtime.Redacted, string(p), why)
}
