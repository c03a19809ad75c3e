package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/fleet"
)

// Load reads a catalog, which taskgen -catalog has written. A type of which no task can be
// made is among the descriptions, too: New says why. An error names the file, the line and
// what to do.
func Load(path string) (fleet.Types, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w: taskgen -catalog %s ./... writes it", err, path)
	}
	return Parse(path, data)
}

// Parse is Load for a catalog that has been read. The name is for errors.
func Parse(name string, data []byte) (fleet.Types, error) {
	p := parser{name: name, data: data, seen: make(map[string]bool)}
	types, err := p.parse()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(types, func(a, b fleet.Type) int { return strings.Compare(a.Name, b.Name) })
	return types, nil
}

type parser struct {
	name string
	data []byte
	d    *json.Decoder
	seen map[string]bool // names and aliases
}

// fail is an error at an offset.
func (p *parser) fail(offset int64, format string, args ...any) error {
	return fmt.Errorf("catalog: %s:%d: "+format+": write the file again with taskgen -catalog", append([]any{p.name, p.line(offset)}, args...)...)
}

// line is that of an offset, counted from 1.
func (p *parser) line(offset int64) int {
	return 1 + bytes.Count(p.data[:min(max(offset, 0), int64(len(p.data)))], []byte("\n"))
}

func (p *parser) parse() (types fleet.Types, err error) {
	if err := p.head(); err != nil {
		return nil, err
	}
	p.d = json.NewDecoder(bytes.NewReader(p.data))
	p.d.DisallowUnknownFields() // what is not understood would be missing from a task
	if _, err := p.d.Token(); err != nil {
		return nil, p.fail(0, "%w", err)
	}
	members := make(map[string]bool)
	for p.d.More() {
		key, err := p.d.Token()
		if err != nil {
			return nil, p.fail(p.d.InputOffset(), "%w", err)
		}
		name, _ := key.(string)
		at := p.d.InputOffset()
		if members[name] {
			return nil, p.fail(at, "%q is there twice", name)
		}
		members[name] = true
		switch name {
		case "types":
			types, err = p.types()
		case "version", "generated":
			err = p.d.Decode(new(json.RawMessage))
		default:
			err = p.fail(at, "a catalog has no member %q", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if !members["types"] {
		return nil, p.fail(0, "it has no types")
	}
	return types, nil
}

// head checks that the file is JSON, and of a version that can be read.
func (p *parser) head() error {
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(p.data, &head); err != nil {
		return p.fail(offsetOf(err, 0), "%w", err)
	}
	switch {
	case head.Version == nil:
		return p.fail(0, "it has no version, and is no catalog")
	case *head.Version != typeinfo.Version:
		at := max(bytes.Index(p.data, []byte(`"version"`)), 0)
		return fmt.Errorf("catalog: %s:%d: it has version %d, and this program reads version %d: use taskgen and this program of one version", p.name, p.line(int64(at)), *head.Version, typeinfo.Version)
	}
	return nil
}

// types reads the list of types.
func (p *parser) types() (types fleet.Types, err error) {
	if open, err := p.d.Token(); err != nil || open != json.Delim('[') {
		return nil, p.fail(p.d.InputOffset(), "types is no list")
	}
	for p.d.More() {
		from := p.d.InputOffset()
		from += int64(len(p.data[from:]) - len(bytes.TrimLeft(p.data[from:], ", \t\r\n")))
		var e typeinfo.Entry
		if err := p.d.Decode(&e); err != nil {
			return nil, p.fail(offsetOf(err, from), "type %d: %w", len(types)+1, err)
		}
		t := e.Type
		t.Schema = string(e.Schema)
		for _, name := range append([]string{t.Name}, t.Aliases...) {
			if name == "" {
				return nil, p.fail(from, "a type has no name")
			}
			if p.seen[name] {
				return nil, p.fail(from, "the type %q is there twice: two packages have it, or one has it as an alias", name)
			}
			p.seen[name] = true
		}
		if _, err := New(t); err != nil && (t.Template == nil || t.Template.Refused == "") {
			return nil, p.fail(from, "%w", err)
		}
		types = append(types, t)
	}
	if _, err := p.d.Token(); err != nil {
		return nil, p.fail(p.d.InputOffset(), "%w", err)
	}
	return types, nil
}

// offsetOf is where an error of the decoder is, in a value that begins at an offset.
func offsetOf(err error, from int64) int64 {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return max(syntax.Offset, from)
	case errors.As(err, &kind):
		return from + kind.Offset
	case errors.Is(err, io.ErrUnexpectedEOF):
		return int64(1) << 62
	}
	return from
}
