package dlq

import (
	"encoding/json"

	"github.com/taskgen/taskgen/internal/secretpath"
	"github.com/taskgen/taskgen/runtime"
)

// redact returns a payload with its secrets (Spec.Secrets) replaced by runtime.Redacted.
// Numbers stay as they are written. A payload that is not JSON becomes null.
func redact(payload []byte, secrets []string) json.RawMessage {
	v, err := decodeJSON(payload)
	if err != nil {
		return json.RawMessage("null")
	}
	out, err := json.Marshal(hide(v, secretpath.Parse(secrets)))
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}

// hide returns a value without its secrets. A value of another kind than a path expects,
// as in a payload that could not be decoded, is hidden as a whole: the secret may be
// anywhere in it. v is unchanged.
func hide(v any, secret secretpath.Set) any {
	if v == nil || len(secret) == 0 {
		return v
	}
	if secret.Here() {
		return runtime.Redacted
	}
	switch v := v.(type) {
	case map[string]any:
		shown := make(map[string]any, len(v))
		for name, member := range v {
			shown[name] = hide(member, secret.Member(name))
		}
		return shown
	case []any:
		below, ok := secret.Element()
		if !ok {
			return runtime.Redacted
		}
		shown := make([]any, len(v))
		for i := range v {
			shown[i] = hide(v[i], below)
		}
		return shown
	}
	return runtime.Redacted
}
