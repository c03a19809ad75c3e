package dlq

import (
	"encoding/json"
	"strings"

	"github.com/taskgen/taskgen/runtime"
)

// redact returns a payload with runtime.Redacted in place of the values at the
// given JSON paths (Spec.Secrets: names separated by dots, * for the elements of
// a list or map). Numbers stay as they are written. What is no JSON becomes null.
func redact(payload []byte, secrets []string) json.RawMessage {
	v, err := decodeJSON(payload)
	if err != nil {
		return json.RawMessage("null")
	}
	for _, path := range secrets {
		v = hide(v, strings.Split(path, "."))
	}
	out, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}

// hide replaces what lies at a path. A value that is of another kind than the
// path takes it for, as in a payload that could not be decoded, is hidden as a
// whole: the secret may be anywhere in it.
func hide(v any, path []string) any {
	if v == nil {
		return nil
	}
	if len(path) == 0 {
		return runtime.Redacted
	}
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if path[0] == "*" || strings.EqualFold(path[0], key) { // as encoding/json reads names
				v[key] = hide(member, path[1:])
			}
		}
		return v
	case []any:
		if path[0] != "*" {
			return runtime.Redacted
		}
		for i := range v {
			v[i] = hide(v[i], path[1:])
		}
		return v
	}
	return runtime.Redacted
}

// keepSecrets puts the secrets of the old payload into a new one wherever that
// says runtime.Redacted in their place: what was shown comes back as it was.
func keepSecrets(edited, old any, path []string) any {
	if edited == runtime.Redacted && old != nil {
		return old
	}
	if len(path) == 0 {
		return edited
	}
	switch e := edited.(type) {
	case map[string]any:
		o, _ := old.(map[string]any)
		for key := range e {
			if path[0] == "*" || strings.EqualFold(path[0], key) {
				e[key] = keepSecrets(e[key], o[key], path[1:])
			}
		}
	case []any:
		o, _ := old.([]any)
		for i := range e {
			if path[0] == "*" && i < len(o) {
				e[i] = keepSecrets(e[i], o[i], path[1:])
			}
		}
	}
	return edited
}
