package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/taskgen/taskgen/internal/nearest"
)

// Load reads a YAML file, and the environment over it. See [Parse].
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the YAML of a file; name is what errors call it. Variables in its values are
// replaced: ${NAME}, ${NAME:-default} and ${NAME:?message}; $${ is ${. Then variables like
// TASKGEN_POOL_WORKERS override the file. docs/configuration.md has all keys.
//
// The providers must be registered; see the package comment. The error lists all mistakes:
// unknown and duplicate keys, values of a wrong type, variables that are not set, names of
// providers that are not there. Each has its position and an excerpt without secrets.
func Parse(name string, data []byte) (*Config, error) {
	d := newDecoder(name)
	d.file(data)
	return d.finish()
}

// FromEnvironment makes a Config of the environment alone: of variables like
// TASKGEN_PROVIDERS_MAIN_URL, or of the variables of the classic setup on SQS
// (SQS_QUEUE_URL and those beside it), which are read only here. docs/configuration.md has
// both.
func FromEnvironment() (*Config, error) {
	d := newDecoder("")
	d.classicSetup()
	return d.finish()
}

// A decoder makes a Config, and collects what is wrong.
type decoder struct {
	name       string
	c          *Config
	bad        invalid
	options    map[string]ast.Node             // of providers, by name
	envOptions map[string]map[string]envOption // the same from the environment
}

func newDecoder(name string) *decoder {
	return &decoder{
		name: name, c: &Config{positions: positions{"": {file: name}}},
		options: make(map[string]ast.Node), envOptions: make(map[string]map[string]envOption),
	}
}

func (d *decoder) finish() (*Config, error) {
	d.environment()
	d.check()
	if err := d.bad.err(); err != nil {
		return nil, err
	}
	return d.c, nil
}

func (d *decoder) report(at position, format string, args ...any) {
	d.bad = append(d.bad, problem{at, fmt.Sprintf(format, args...)})
}

// quoted is what an error of the parser may quote of the file, which can be a secret.
var quoted = regexp.MustCompile(`(["'` + "`" + `]).*(["'` + "`" + `])`)

func (d *decoder) file(data []byte) {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, text := position{file: d.name}, "the file is not YAML"
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			text = "this is not YAML: " + quoted.ReplaceAllString(syntax.GetMessage(), "$1…$2")
			if tk := syntax.GetToken(); tk != nil {
				at.line, at.col = tk.Position.Line, tk.Position.Column
			}
		}
		d.report(at, "%s", text)
		return
	}
	docs := slices.DeleteFunc(file.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	if len(docs) > 1 {
		d.report(tokenAt(d.name, firstToken(docs[1].Body)), "a second document begins here: a file has one")
	}
	if len(docs) > 0 {
		d.table(docs[0].Body, table, reflect.ValueOf(d.c).Elem(), "")
	}
}

func tokenAt(file string, tk *token.Token) position {
	return position{file: file, line: tk.Position.Line, col: tk.Position.Column}
}

// firstToken is where a node begins. The token of a mapping is its first colon.
func firstToken(node ast.Node) *token.Token {
	if m, ok := node.(ast.MapNode); ok {
		if entries := m.MapRange(); entries.Next() {
			return entries.Key().GetToken()
		}
	}
	return node.GetToken()
}

// table sets the fields of a struct from a mapping.
func (d *decoder) table(node ast.Node, fields []field, into reflect.Value, path string) {
	d.mapping(node, path, func(key *token.Token, value ast.Node) {
		f, ok := named(fields, key.Value)
		base, inFile := strings.CutSuffix(key.Value, "_file")
		if !ok && inFile {
			f, ok = named(fields, base)
			ok = ok && f.file
		} else {
			inFile = false
		}
		if !ok {
			d.report(at(d.name, key, "…"), "%s", unknownKey(key.Value, path, fields))
			return
		}
		d.value(f, key, value, into, join(path, f.name), inFile)
	})
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func unknownKey(name, path string, fields []field) string {
	var known []string
	for _, f := range fields {
		known = append(known, f.name)
		if f.file {
			known = append(known, f.name+"_file")
		}
	}
	text := fmt.Sprintf("there is no key %q", name)
	if path != "" {
		text += " in " + path
	}
	if near, ok := nearest.Name(name, known); ok {
		text += ": did you mean " + near + "?"
	}
	if len(known) == 0 {
		return text + " (nor any other)"
	}
	return text + " (there are " + strings.Join(known, ", ") + ")"
}

// mapping calls each for the entries of a mapping. No node, or null, has none.
func (d *decoder) mapping(node ast.Node, path string, each func(key *token.Token, value ast.Node)) {
	if node == nil || node.Type() == ast.NullType || node.Type() == ast.CommentType {
		return
	}
	m, ok := node.(ast.MapNode)
	switch node.Type() {
	case ast.MappingType, ast.MappingValueType:
	default:
		ok = false
	}
	if !ok {
		what := path
		if what == "" {
			what = "the file"
		}
		d.report(tokenAt(d.name, node.GetToken()), "%s must be a mapping of keys to values", what)
		return
	}
	seen := make(map[string]bool)
	for entries := m.MapRange(); entries.Next(); {
		key := entries.Key().GetToken()
		switch entries.Key().Type() {
		case ast.StringType, ast.IntegerType, ast.BoolType:
		default:
			d.report(tokenAt(d.name, key), "keys are plain texts here: no anchors, merges or tags are read")
			continue
		}
		if seen[key.Value] {
			d.report(at(d.name, key, "…"), "the key %q is there twice", key.Value)
			continue
		}
		seen[key.Value] = true
		each(key, entries.Value())
	}
}

// value sets one field.
func (d *decoder) value(f field, key *token.Token, node ast.Node, into reflect.Value, path string, inFile bool) {
	where := at(d.name, key, f.excerpt(node))
	if _, again := d.c.positions[path]; again {
		d.report(where, "%s and %s_file are both set: leave one out", f.name, f.name)
		return
	}
	d.c.positions[path] = where
	switch f.kind() {
	case "section":
		d.table(node, f.under, into.Field(f.index), path)
	case "map":
		d.entries(f, node, into, path)
	case "options":
		d.options[strings.Split(path, ".")[1]] = node
	default:
		v, err := d.scalar(f, node, inFile)
		if err != nil {
			d.report(where.atValue(node.GetToken(), key), "%s: %s", path, err)
		} else if v.IsValid() {
			f.set(into, v)
		}
	}
}

// entries sets a map of structs.
func (d *decoder) entries(f field, node ast.Node, into reflect.Value, path string) {
	all := into.Field(f.index)
	if all.IsNil() {
		all.Set(reflect.MakeMap(f.typ))
	}
	d.mapping(node, path, func(key *token.Token, value ast.Node) {
		if key.Value == "" {
			d.report(at(d.name, key, "…"), "a name in %s is empty", path)
			return
		}
		d.c.positions[path+"."+key.Value] = at(d.name, key, "")
		entry := reflect.New(f.typ.Elem()).Elem()
		d.table(value, f.under, entry, path+"."+key.Value)
		all.SetMapIndex(reflect.ValueOf(key.Value), entry)
	})
}

// excerpt is what an error may show of a field's value.
func (f field) excerpt(node ast.Node) string {
	switch {
	case node == nil:
		return ""
	case f.secret():
		return hidden
	}
	switch node.Type() {
	case ast.StringType, ast.IntegerType, ast.FloatType, ast.BoolType, ast.NullType, ast.InfinityType, ast.NanType:
		if text := strings.TrimSpace(node.GetToken().Origin); !strings.Contains(text, "@") { // behind a password, perhaps
			return text
		}
	}
	return "…"
}

// scalar is the value of a field that is no mapping; an invalid one leaves the default.
func (d *decoder) scalar(f field, node ast.Node, inFile bool) (reflect.Value, error) {
	none := reflect.Value{}
	if node == nil || node.Type() == ast.NullType {
		return none, nil
	}
	if literal, ok := node.(*ast.LiteralNode); ok {
		node = literal.Value
	}
	if list, ok := node.(*ast.SequenceNode); ok && f.kind() == "list" {
		return d.list(list)
	}
	number := f.kind() == "int" || f.kind() == "bytes" || f.kind() == "ratio"
	switch n := node.(type) {
	case *ast.StringNode:
		text, used, err := expand(n.Value, lookup)
		if err != nil {
			return none, err
		}
		if inFile {
			if text, err = fromFile(text); err != nil {
				return none, err
			}
		}
		if !used && slices.Contains([]string{"int", "ratio", "bool", "list"}, f.kind()) {
			return none, errors.New(f.wantYAML())
		}
		return f.parsed(text)
	case *ast.IntegerNode:
		if text := n.Token.Value; number || f.kind() == "duration" && text == "0" {
			return f.parsed(text)
		}
	case *ast.FloatNode:
		if f.kind() == "ratio" {
			return f.parsed(n.Token.Value)
		}
	case *ast.BoolNode:
		if f.kind() == "bool" {
			return f.parsed(n.Token.Value)
		}
	}
	if f.kind() == "string" || f.secret() {
		switch node.Type() {
		case ast.IntegerType, ast.FloatType, ast.BoolType:
			return none, errors.New("this is a number or a switch to YAML: put it in quotes")
		}
	}
	return none, errors.New(f.wantYAML())
}

// wantYAML says what the values of a field are in a file.
func (f field) wantYAML() string {
	if f.kind() == "list" {
		return "write a list, like [a, b]"
	}
	return f.want()
}

// parsed is parse with an error that says what is wanted.
func (f field) parsed(text string) (reflect.Value, error) {
	v, err := f.parse(text)
	if err != nil {
		return reflect.Value{}, errors.New(f.want())
	}
	return v, nil
}

func (d *decoder) list(node *ast.SequenceNode) (reflect.Value, error) {
	values := []string{}
	for _, one := range node.Values {
		text, ok := one.(*ast.StringNode)
		if !ok {
			return reflect.Value{}, errors.New("each value of the list must be a text")
		}
		value, _, err := expand(text.Value, lookup)
		if err != nil {
			return reflect.Value{}, err
		}
		values = append(values, value)
	}
	return reflect.ValueOf(values), nil
}
