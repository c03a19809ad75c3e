package filter

import (
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/duration"
	"github.com/taskgen/taskgen/internal/nearest"
)

// A kind says how a field is compared.
type kind int

const (
	textKind     kind = iota // : and ~
	stateKind                // : with a state
	numberKind               // : and < > <= >=
	ageKind                  // < > <= >= with how long ago
	dueKind                  // < > <= >= with how long from now, or a time
	searchKind               // ~
	metadataKind             // : and ~ of the metadata that the term names
)

// operators are those that a kind knows, for errors.
var operators = map[kind][]string{
	textKind:     {":", "~"},
	stateKind:    {":"},
	numberKind:   {":", ">", ">=", "<", "<="},
	ageKind:      {">", ">=", "<", "<="},
	dueKind:      {">", ">=", "<", "<="},
	searchKind:   {"~"},
	metadataKind: {":", "~"},
}

// A field is something that a term asks about.
type field struct {
	name   string
	kind   kind
	text   func(*Facts) string
	number func(*Facts) int
}

// states are those that a task on a queue may be in.
var states = []string{"ready", "scheduled", "leased", "dead"}

var (
	stateField    = &field{name: "state", kind: stateKind, text: func(f *Facts) string { return f.State }}
	searchField   = &field{name: "text", kind: searchKind}
	metadataField = &field{name: "meta", kind: metadataKind}
)

// fields are all of them, in the order of the guide.
var fields = []*field{
	{name: "id", text: func(f *Facts) string { return f.ID }},
	{name: "type", text: func(f *Facts) string { return f.Type }},
	{name: "queue", text: func(f *Facts) string { return f.Queue }},
	stateField,
	{name: "age", kind: ageKind},
	{name: "due", kind: dueKind},
	{name: "retry_count", kind: numberKind, number: func(f *Facts) int { return f.Retries }},
	{name: "max_retries", kind: numberKind, number: func(f *Facts) int { return f.MaxRetries }},
	{name: "runs", kind: numberKind, number: func(f *Facts) int { return f.Runs }},
	{name: "redrive_count", kind: numberKind, number: func(f *Facts) int { return f.Redrives }},
	{name: "priority", kind: numberKind, number: func(f *Facts) int { return f.Priority }},
	{name: "group", text: func(f *Facts) string { return f.Group }},
	{name: "group_key", text: func(f *Facts) string { return f.GroupKey }},
	{name: "unique_key", text: func(f *Facts) string { return f.UniqueKey }},
	{name: "error", text: func(f *Facts) string { return f.Error }},
	{name: "payload", text: func(f *Facts) string { return f.Payload }},
	searchField,
	metadataField,
}

// short are other names of fields.
var short = map[string]string{"retries": "retry_count", "redrives": "redrive_count"}

// fieldOf finds a field by its name; if there is none, near says which may be meant.
func fieldOf(name string) (f *field, near string) {
	if full := short[name]; full != "" {
		name = full
	}
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		if f.name == name {
			return f, ""
		}
		names = append(names, f.name)
	}
	near, _ = nearest.Name(name, names)
	return nil, near
}

// value reads what the field is to be compared with. problem is what is wrong with it, and
// how to mend it.
func (f *field) value(text string) (v value, problem string) {
	v = value{text: text, lower: strings.ToLower(text)}
	var err error
	switch f.kind {
	case stateKind:
		for _, s := range states {
			if s == text {
				return v, ""
			}
		}
		problem = "there is no state " + strconv.Quote(text) + ": it is " + strings.Join(states, ", ")
		if near, ok := nearest.Name(text, states); ok {
			problem += "; did you mean " + near + "?"
		}
	case numberKind:
		if v.number, err = strconv.ParseInt(text, 10, 64); err != nil {
			problem = f.name + " is compared with a whole number, not with " + strconv.Quote(text)
		}
	case ageKind:
		if v.span, err = duration.Parse(text); err != nil {
			problem = "age is compared with a duration such as 90s, 1h or 2d, not with " + strconv.Quote(text)
		}
	case dueKind:
		if v.at, err = time.Parse(time.RFC3339, text); err == nil {
			return v, ""
		}
		if v.span, err = duration.Parse(text); err != nil {
			problem = "due is compared with a duration from now such as 1h, or with a time such as 2026-03-01T08:00:00Z, not with " + strconv.Quote(text)
		}
	}
	return v, problem
}

// holds compares the field of a task with one value of a term.
func (f *field) holds(t *term, v *value, facts *Facts, now time.Time) bool {
	switch f.kind {
	case numberKind:
		return ordered(int64(f.number(facts)), t.operator, v.number)
	case ageKind:
		return !facts.Since.IsZero() && ordered(int64(now.Sub(facts.Since)), t.operator, int64(v.span))
	case dueKind:
		at := v.at
		if at.IsZero() {
			at = now.Add(v.span)
		}
		return !facts.Due.IsZero() && ordered(int64(facts.Due.Compare(at)), t.operator, 0)
	case searchKind:
		return contains(facts.ID, v) || contains(facts.Error, v) || contains(facts.Payload, v)
	case metadataKind:
		text, ok := facts.Metadata[t.metadata]
		return ok && matches(text, t.operator, v)
	default:
		return matches(f.text(facts), t.operator, v)
	}
}

func matches(text, operator string, v *value) bool {
	if operator == "~" {
		return contains(text, v)
	}
	return text == v.text
}

func contains(text string, v *value) bool { return strings.Contains(strings.ToLower(text), v.lower) }

func ordered(a int64, operator string, b int64) bool {
	switch operator {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case "<=":
		return a <= b
	default:
		return a == b
	}
}
