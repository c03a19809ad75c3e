package check

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// A mistake is an error in a handwritten payload.
type mistake struct{ text, fix string }

// payloadMistake returns what is wrong with JSON as the payload of a task, or nil: values
// that encoding/json would refuse or ignore when it reads them into the struct, and
// violations of the task's tags. It does not check values that types read with their own
// methods.
func payloadMistake(t *model.Task, text string) *mistake {
	if !json.Valid([]byte(text)) {
		return &mistake{"it is not JSON", "write payload=`{…}`, in backquotes if it contains spaces"}
	}
	r := payloadReader{task: t, defs: make(map[string]*model.Value)}
	for i := range t.Payload.Definitions {
		r.defs[t.Payload.Definitions[i].Name] = &t.Payload.Definitions[i].Value
	}
	if m := r.value("", &t.Payload.Value, json.RawMessage(text)); m != nil {
		return m
	}
	var given map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &given) != nil {
		return nil // a struct that encodes itself in another form
	}
	for _, f := range t.All() {
		raw := string(given[f.JSON])
		if f.JSON != "" && (f.Required && isZero(raw) || f.Group && (raw == "" || raw == `""`)) {
			return &mistake{f.JSON + " may not be empty", "give it a value"}
		}
	}
	return nil
}

// isZero reports whether JSON leaves a field of a struct at its zero value, or a list
// or a map empty.
func isZero(raw string) bool {
	switch raw {
	case "", "null", `""`, "[]", "{}", "false", `"0"`:
		return true
	}
	n, err := strconv.ParseFloat(raw, 64)
	return err == nil && n == 0
}

// A payloadReader checks JSON against the model of a payload.
type payloadReader struct {
	task *model.Task
	defs map[string]*model.Value
}

// wrong is a mistake at a place: the names on the path to it, separated by dots.
func wrong(at, format string, args ...any) *mistake {
	text := fmt.Sprintf(format, args...)
	if at != "" {
		text = at + ": " + text
	}
	return &mistake{text: text}
}

func (r *payloadReader) value(at string, v *model.Value, raw json.RawMessage) *mistake {
	raw = bytes.TrimSpace(raw)
	if v.Kind == model.RefValue {
		target := &r.task.Payload.Value
		if v.Ref != "" {
			target = r.defs[v.Ref]
		}
		if target == nil || v.Null && string(raw) == "null" {
			return nil
		}
		return r.value(at, target, raw)
	}
	switch {
	case v.Kind == model.AnyValue:
		return nil
	case string(raw) == "null":
		if v.Null {
			return nil
		}
		return wrong(at, "null is not a value of its type")
	case v.Quoted:
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return wrong(at, "its json tag requires quotes")
		}
		raw = json.RawMessage(text)
		if !json.Valid(raw) {
			return wrong(at, "%q is no value of it", text)
		}
	}
	switch v.Kind {
	case model.ListValue:
		return r.list(at, v, raw)
	case model.MapValue, model.ObjectValue:
		return r.members(at, v, raw)
	}
	return scalar(at, v, raw)
}

func (r *payloadReader) list(at string, v *model.Value, raw json.RawMessage) *mistake {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return wrong(at, "%s is no list", raw)
	}
	if v.Len >= 0 && int64(len(items)) != v.Len {
		return wrong(at, "it has %d elements, and the array %d", len(items), v.Len)
	}
	for i, item := range items {
		if m := r.value(fmt.Sprintf("%s[%d]", at, i), v.Elem, item); m != nil {
			return m
		}
	}
	return nil
}

// members reads an object, and unlike encoding/json refuses repeated and unknown names.
func (r *payloadReader) members(at string, v *model.Value, raw json.RawMessage) *mistake {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return wrong(at, "%s is no object", raw)
	}
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		var item json.RawMessage
		if err != nil || !ok || dec.Decode(&item) != nil {
			return wrong(at, "it cannot be read")
		}
		place := strings.TrimPrefix(at+"."+name, ".")
		if seen[name] {
			return wrong(place, "it occurs twice")
		}
		seen[name] = true
		if m := r.member(place, v, name, item); m != nil {
			return m
		}
	}
	return nil
}

func (r *payloadReader) member(at string, v *model.Value, name string, item json.RawMessage) *mistake {
	if v.Kind == model.MapValue {
		if v.Keys != nil && v.Keys.Kind == model.IntegerValue {
			if m := scalar(at, v.Keys, json.RawMessage(name)); m != nil {
				return m
			}
		}
		return r.value(at, v.Elem, item)
	}
	var names []string
	for i := range v.Members {
		switch member := &v.Members[i]; {
		case member.Name != name:
			names = append(names, member.Name)
		case member.Secret:
			return &mistake{at + " is a secret", "schedule the task from code, with schedulable on //taskgen:task"}
		default:
			return r.value(at, &member.Value, item)
		}
	}
	m := wrong(at, "there is no such field")
	m.fix = rule.DidYouMean(name, names)
	return m
}

// scalar reads a value that contains no other values.
func scalar(at string, v *model.Value, raw json.RawMessage) *mistake {
	var text string
	switch v.Kind {
	case model.TextValue, model.TimeValue, model.BytesValue:
		if json.Unmarshal(raw, &text) != nil {
			return wrong(at, "%s is no text in quotes", raw)
		}
	}
	switch v.Kind {
	case model.TimeValue:
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return wrong(at, "%q is no time like 2006-01-02T15:04:05Z", text)
		}
	case model.BytesValue:
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return wrong(at, "%q is not base64", text)
		}
	case model.BooleanValue:
		if s := string(raw); s != "true" && s != "false" {
			return wrong(at, "%s is neither true nor false", raw)
		}
	case model.IntegerValue:
		var err error
		if v.Unsigned {
			_, err = strconv.ParseUint(string(raw), 10, v.Bits)
		} else {
			_, err = strconv.ParseInt(string(raw), 10, v.Bits)
		}
		if err != nil {
			return wrong(at, "%s is no whole number that it can hold", raw)
		}
	case model.NumberValue:
		if err := json.Unmarshal(raw, new(float64)); err != nil {
			return wrong(at, "%s is no number", raw)
		}
	}
	return nil
}
