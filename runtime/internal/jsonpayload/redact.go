package jsonpayload

import (
	"encoding/json"

	"github.com/taskgen/taskgen/internal/secretpath"
	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// Redact returns a payload with its secrets, which paths lead to, replaced by redact.Mark.
// Numbers stay as they are written. A payload that is not JSON becomes null.
func Redact(payload []byte, secrets []string) json.RawMessage {
	v, err := Decode(payload)
	if err != nil {
		return json.RawMessage("null")
	}
	out, err := json.Marshal(Hide(v, secretpath.Parse(secrets)))
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}

// Hide returns a value without its secrets. A value of another kind than a path expects,
// as in a payload that could not be decoded, is hidden as a whole: the secret may be
// anywhere in it. v is unchanged.
func Hide(v any, secret secretpath.Set) any {
	if v == nil || len(secret) == 0 {
		return v
	}
	if secret.Here() {
		return redact.Mark
	}
	switch v := v.(type) {
	case map[string]any:
		shown := make(map[string]any, len(v))
		for name, member := range v {
			shown[name] = Hide(member, secret.Member(name))
		}
		return shown
	case []any:
		below, ok := secret.Element()
		if !ok {
			return redact.Mark
		}
		shown := make([]any, len(v))
		for i := range v {
			shown[i] = Hide(v[i], below)
		}
		return shown
	}
	return redact.Mark
}
