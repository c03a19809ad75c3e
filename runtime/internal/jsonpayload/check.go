package jsonpayload

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/taskgen/taskgen/internal/secretpath"
)

// Check checks a payload against the JSON Schema of its type; an empty one allows
// everything. The error is a *Mismatch if the payload does not fit, and tells nothing
// about what is secret. Any other says that the schema cannot be used.
func Check(v any, taskType, schemaText string, secrets []string) error {
	s, err := Compile(taskType, schemaText)
	if err != nil {
		return err
	}
	return s.Check(v, secrets)
}

// A Schema is the JSON Schema of a type. It is safe for concurrent use.
type Schema struct{ compiled *jsonschema.Schema } // nil: it allows everything

// Compile reads the JSON Schema of a type; an empty one allows everything.
func Compile(taskType, schemaText string) (*Schema, error) {
	if schemaText == "" {
		return &Schema{}, nil
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schemaText))
	if err != nil {
		return nil, fmt.Errorf("the schema of %q is not JSON: %w", taskType, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	const name = "payload.schema.json"
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("the schema of %q: %w", taskType, err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("the schema of %q: %w", taskType, err)
	}
	return &Schema{schema}, nil
}

// Check checks a payload with secrets at the given paths. An error is a *Mismatch.
func (s *Schema) Check(v any, secrets []string) error {
	if s.compiled == nil {
		return nil
	}
	err := s.compiled.Validate(v)
	switch {
	case err == nil:
		return nil
	case len(secrets) == 0:
		return &Mismatch{err.Error(), err}
	}
	return &Mismatch{text: describeMismatch(err, v, secretpath.Parse(secrets))}
}

// A Mismatch is why a payload does not fit its schema.
type Mismatch struct {
	text string
	err  error // the library's; nil where its text may contain a secret
}

func (m *Mismatch) Error() string { return m.text }
func (m *Mismatch) Unwrap() error { return m.err }

// describeMismatch says where a payload with secrets does not fit its schema, and which
// keyword it violates. The library's own text, and its error, contain values.
func describeMismatch(err error, payload any, secret secretpath.Set) string {
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return fmt.Sprintf("an error of type %T", err)
	}
	var all []string
	var visit func(*jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			all = append(all, fmt.Sprintf("at %q: %s", visiblePointer(e.InstanceLocation, payload, secret), keyword(e.ErrorKind)))
		}
		for _, cause := range e.Causes {
			visit(cause)
		}
	}
	visit(failed)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "; ")
}

// keyword names the violated keyword in words of the schema alone.
func keyword(k jsonschema.ErrorKind) string {
	name := strings.Join(k.KeywordPath(), " ")
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("type: %s, and it is %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Format:
		return "format: " + k.Want
	case *kind.Required:
		return "required: " + strings.Join(k.Missing, ", ")
	case *kind.FalseSchema:
		return "nothing may be there"
	}
	return name
}

// visiblePointer returns a place in a payload as a JSON pointer, or the secret that contains it: everything
// below a secret may be secret too, including the names of members.
func visiblePointer(location []string, v any, secret secretpath.Set) (at string) {
	for _, name := range location {
		if secret.Here() {
			break
		}
		switch holder := v.(type) {
		case map[string]any:
			v, secret = holder[name], secret.Member(name)
		case []any:
			below, ok := secret.Element()
			i, err := strconv.Atoi(name)
			if !ok || err != nil || i >= len(holder) {
				return at
			}
			v, secret = holder[i], below
		default:
			return at
		}
		at += "/" + secretpath.Escape(name)
	}
	return at
}
