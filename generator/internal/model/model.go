// Package model is the generator's data about a package of tasks, between reading
// annotations and writing files. It is independent of go/types and of how Go code is
// emitted, and prints as JSON.
package model

import (
	"go/ast"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/taskgen/taskgen/internal/typeinfo"
)

// A Package is one Go package with annotated structs.
type Package struct {
	Name   string  `json:"name"` // of the package clause
	Path   string  `json:"path"` // import path
	Dir    string  `json:"-"`    // absolute
	Tasks  []Task  `json:"tasks"`
	Queues []Queue `json:"queues"` // declared ones, sorted by name
	// Outputs are the files besides the Go file, in the order of //taskgen:output.
	Outputs []Output `json:"outputs,omitempty"`
	// Root is the folder of the module: no output is outside.
	Root string `json:"-"`
	// Holders are the declared types whose values hold secrets, tasks among them,
	// sorted by name: parts of tasks and results, and types that embed a holder.
	Holders []Holder `json:"holders,omitempty"`
	Scope   []string `json:"scope"` // identifiers declared at package level by the user's files, tests of the package included, sorted
	// Constraint is the //go:build expression of all annotated files, which the
	// generated file has too. Empty: none.
	Constraint string `json:"constraint,omitempty"`
	// Schedules is //taskgen:schedules; nil: not given.
	Schedules *Schedules `json:"schedules,omitempty"`
	// Backward is set if the code must read what older builds wrote, and older builds need not
	// read what it writes: //taskgen:compat level=backward.
	Backward bool `json:"backward,omitempty"`
	// Imports are the names that the annotated files give to imported packages, one per
	// package, sorted by path.
	Imports []Import `json:"imports,omitempty"`
	// Imported are the names that the package may not declare because one of its files,
	// tests included, imports a package under them; sorted.
	Imported []string `json:"-"`
	// Declared is where the names of Scope are declared, and where names to be
	// generated are imported.
	Declared map[string]Pos `json:"-"`
}

// An Import is the name of an imported package in a file.
type Import struct {
	Path string `json:"path"`
	Name string `json:"name"`
}

// Schedules names the owner of a package's recurring jobs.
type Schedules struct {
	Owner   string   `json:"owner,omitempty"` // empty: the import path
	Aliases []string `json:"aliases,omitempty"`
	Places  Places   `json:"-"`
}

// A Pos is a position in a source file.
type Pos struct {
	File   string `json:"file"` // absolute
	Line   int    `json:"line"`
	Column int    `json:"column"` // in bytes, from 1
}

// A Span is a part of one line.
type Span struct {
	Pos
	End int // column behind the last byte; 0: unknown
}

// Places are the positions of a declaration and its options: the directive under its
// name ("retry"), an option under directive and key ("retry.max"). Inherited options
// are at the package clause.
type Places map[string]Span

// Of returns the span of the first known name, or the zero Span.
func (p Places) Of(names ...string) Span {
	for _, name := range names {
		if s, ok := p[name]; ok {
			return s
		}
	}
	return Span{}
}

// A Task is one annotated struct, inherited defaults filled in.
type Task struct {
	Struct      string        `json:"struct"` // EmbeddingTask
	Base        string        `json:"base"`   // Embedding: the base of generated names
	Doc         string        `json:"doc,omitempty"`
	Type        string        `json:"type"` // embedding: the wire name
	Aliases     []string      `json:"aliases,omitempty"`
	Queue       string        `json:"queue"`
	Timeout     time.Duration `json:"timeout"`
	Priority    int           `json:"priority,omitempty"`
	Retry       Retry         `json:"retry"`
	Unique      *Unique       `json:"unique,omitempty"`
	Schedules   []Schedule    `json:"schedules,omitempty"`
	Schedulable bool          `json:"schedulable,omitempty"` // code may schedule it as well
	Result      *Type         `json:"result,omitempty"`
	Concurrency int           `json:"concurrency,omitempty"`
	Rate        Rate          `json:"rate,omitzero"`
	Retention   time.Duration `json:"retention,omitempty"`
	Fields      []Field       `json:"fields"`
	// Inherited are the fields that the task has from embedded structs: they stand
	// beside its own in JSON, and Go selects them by name.
	Inherited []Field  `json:"inherited,omitempty"`
	Methods   []string `json:"methods,omitempty"` // of *T, promoted ones included, sorted
	// Promoted are the fields that T has from embedded structs, sorted. A method of
	// the same name would hide one.
	Promoted []string `json:"promoted,omitempty"`
	// Secrets are the positions of all secrets in the message, those of nested types
	// included: JSON pointers (RFC 6901) in which * is every element of a list or map,
	// and ~2 is a * in a name: /api_key, /login/password, /keys/*/value. The empty one
	// is the whole message.
	Secrets []string `json:"secrets,omitempty"`
	// Payload is the JSON form of T.
	Payload Payload `json:"payload"`
	// Form names that form as the lock has it, and Reads the other forms that tasks in queues
	// may have.
	Form  string   `json:"-"`
	Reads []string `json:"-"`
	// Shape is how encoding/json reads and writes T.
	Shape  typeinfo.Shape `json:"-"`
	Pos    Pos            `json:"pos"`
	Places Places         `json:"-"`
}

// Retry is a retry policy as declared; Max 0 is none. Zero values mean the runtime's
// defaults.
type Retry struct {
	Max     int           `json:"max"`
	Backoff string        `json:"backoff,omitempty"` // constant, linear, exponential
	Base    time.Duration `json:"base,omitempty"`
	Cap     time.Duration `json:"cap,omitempty"`
	Factor  float64       `json:"factor,omitempty"`
	Jitter  float64       `json:"jitter,omitempty"`
}

// Unique lists the fields that make a task unique, by Go name and in the declared
// order, and for how long; 0: until it is done.
type Unique struct {
	By     []string      `json:"by"`
	Within time.Duration `json:"within,omitempty"`
}

// Schedule declares a recurring task. Zero values mean the runtime's defaults.
type Schedule struct {
	Name    string        `json:"name,omitempty"` // unique among those of the task
	Aliases []string      `json:"aliases,omitempty"`
	Cron    string        `json:"cron"`
	TZ      string        `json:"tz,omitempty"`      // UTC when empty
	Overlap string        `json:"overlap,omitempty"` // allow or skip
	Missed  string        `json:"missed,omitempty"`  // once, all or skip
	Jitter  time.Duration `json:"jitter,omitempty"`
	Payload string        `json:"payload,omitempty"` // JSON; empty: the zero value
	Pos     Pos           `json:"pos"`
	Places  Places        `json:"-"`
}

// JobID is the name of the constant with a schedule's job ID, for an exported task: the
// schedule's name is a part of it, in camel case.
func (s *Schedule) JobID(t *Task) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(s.Name, func(r rune) bool { return r == '.' || r == '_' || r == '-' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return t.Base + b.String() + "JobID"
}

// Rate is a number of events per time.
type Rate struct {
	Limit int           `json:"limit"`
	Per   time.Duration `json:"per"`
}

// A Holder is a declared type of the package whose values hold secrets.
type Holder struct {
	Name    string   `json:"name"`
	Params  int      `json:"params,omitempty"`  // how many type parameters it has
	Methods []string `json:"methods,omitempty"` // of a pointer to it, promoted ones included, sorted
	Odd     []string `json:"odd,omitempty"`     // those of Methods with a generated method's name and another signature
	Fields  []string `json:"fields,omitempty"`  // of a struct, promoted ones included, sorted: no method has the name of one
	// Embeds is set if it embeds another holder, whose methods it would have without
	// its own.
	Embeds bool `json:"embeds,omitempty"`
	// Locked is set if its values may not be copied: go vet would complain about
	// methods on values.
	Locked bool   `json:"locked,omitempty"`
	Pos    Pos    `json:"pos"`
	Places Places `json:"-"` // "type", and "field.Name" for its own fields
}

// Has reports whether values of the type have a method or field of that name, so a
// method cannot, or should not, be added.
func (h *Holder) Has(name string) bool {
	return slices.Contains(h.Methods, name) || slices.Contains(h.Fields, name)
}

// HidesJSON reports whether a MarshalJSON can be generated for a holder: it does not
// encode itself, and the file can write the method in the form that go vet wants.
func (p *Package) HidesJSON(h *Holder) bool {
	return !h.Has("MarshalJSON") && !h.Has("MarshalText") && !slices.ContainsFunc(MarshalNames(), func(name string) bool {
		return slices.Contains(p.Scope, name)
	})
}

// MarshalNames are the predeclared types in the signature of MarshalJSON.
func MarshalNames() []string { return []string{"byte", "error"} }

// Holder returns the holder of that name, or nil.
func (p *Package) Holder(name string) *Holder {
	i, ok := slices.BinarySearchFunc(p.Holders, name, func(h Holder, name string) int { return strings.Compare(h.Name, name) })
	if !ok {
		return nil
	}
	return &p.Holders[i]
}

// A Queue is a declared queue. Zero values mean the runtime's defaults.
type Queue struct {
	Name          string        `json:"name"`
	Type          string        `json:"type,omitempty"` // standard, fifo, priority
	Levels        int           `json:"levels,omitempty"`
	Visibility    time.Duration `json:"visibility,omitempty"`
	MaxDeliveries int           `json:"max_deliveries,omitempty"`
	DLQ           string        `json:"dlq,omitempty"`
	Retention     time.Duration `json:"retention,omitempty"`
	Unknown       time.Duration `json:"unknown,omitempty"` // AtOnce: not at all
	Pos           Pos           `json:"pos"`
	Places        Places        `json:"-"`
}

// AtOnce is the Unknown of a queue with unknown=0.
const AtOnce time.Duration = -1

// A Field is one field of a task's struct, in source order.
type Field struct {
	Name     string `json:"name"`           // Go name; for an embedded field its type's
	JSON     string `json:"json,omitempty"` // name on the wire; empty: it is not encoded, or its own fields are
	Tag      string `json:"tag,omitempty"`  // the whole struct tag, unquoted
	Type     Type   `json:"type"`
	Embedded bool   `json:"embedded,omitempty"`
	Required bool   `json:"required,omitempty"`
	Group    bool   `json:"group,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
	// Indirect is set if an inherited field is behind a pointer, which may be nil.
	Indirect bool `json:"indirect,omitempty"`
	Pos      Pos  `json:"pos"`
}

// Kind is the kind of a Type.
type Kind string

// The kinds of types that may appear in a payload.
const (
	Basic   Kind = "basic"   // predeclared: Name
	Named   Kind = "named"   // declared: Name, Path, Package, Args; Underlying
	Pointer Kind = "pointer" // Elem
	Slice   Kind = "slice"   // Elem
	Array   Kind = "array"   // Len, Elem
	Map     Kind = "map"     // Key, Elem
	Struct  Kind = "struct"  // Fields
	Any     Kind = "any"     // interface{}
	Iface   Kind = "iface"   // any other interface literal: Text
	// Opaque is any other type: a channel, a function. Opaque and Iface types are not
	// encoded. They occur in fields that are not encoded either, and cannot be
	// restated: Text is for people.
	Opaque Kind = "opaque"
)

// A Type is a Go type as written in the source. Aliases are kept by name.
type Type struct {
	Kind    Kind    `json:"kind"`
	Name    string  `json:"name,omitempty"`
	Path    string  `json:"path,omitempty"`    // import path; empty: predeclared or of the same package
	Package string  `json:"package,omitempty"` // name in the package clause of Path
	Args    []Type  `json:"args,omitempty"`
	Key     *Type   `json:"key,omitempty"`
	Elem    *Type   `json:"elem,omitempty"`
	Len     int64   `json:"len,omitempty"`
	Fields  []Field `json:"fields,omitempty"` // of a struct literal
	Text    string  `json:"text,omitempty"`
	// Underlying is the kind of a named type's underlying type, and Comparable whether
	// == works on values: checks of required fields need both.
	Underlying Kind   `json:"underlying,omitempty"`
	BasicName  string `json:"basic_name,omitempty"` // of a named type with a basic underlying: string, int64, …
	Comparable bool   `json:"comparable,omitempty"`
	IsZero     bool   `json:"is_zero,omitempty"` // has a method IsZero() bool
}

// All returns the task's own fields and those that it inherits.
func (t *Task) All() []*Field {
	fields := make([]*Field, 0, len(t.Fields)+len(t.Inherited))
	for i := range t.Fields {
		fields = append(fields, &t.Fields[i])
	}
	for i := range t.Inherited {
		fields = append(fields, &t.Inherited[i])
	}
	return fields
}

// HoldsSecret reports whether an encoded field is a secret, or holds one.
func (t *Task) HoldsSecret(f *Field) bool {
	at := SecretPath(f.JSON)
	return f.Secret || slices.ContainsFunc(t.Secrets, func(path string) bool { return strings.HasPrefix(path+"/", at+"/") })
}

// Name is a generated name of the task. Its first letter is in lower case if the struct
// is not exported, so nothing is exported for such a struct. The argument is the name
// for an exported struct: EnqueueEmbedding.
func (t *Task) Name(exported string) string {
	if ast.IsExported(t.Struct) {
		return exported
	}
	r, size := utf8.DecodeRuneInString(exported)
	return string(unicode.ToLower(r)) + exported[size:]
}

// Exported reports whether the task's struct, and thus its generated code, is exported.
func (t *Task) Exported() bool { return ast.IsExported(t.Struct) }

// Jobs reports whether code may schedule the task.
func (t *Task) Jobs() bool { return len(t.Schedules) > 0 || t.Schedulable }

// Symbols returns the names that are generated for the task at package level.
func (t *Task) Symbols() []string {
	names := []string{
		"Type" + t.Base, t.Base + "Spec", "Enqueue" + t.Base, "Enqueue" + t.Base + "Batch",
		t.Base + "Handler", t.Base + "HandlerFunc", "Register" + t.Base, "OnDead" + t.Base,
	}
	if t.Jobs() {
		names = append(names, "Schedule"+t.Base, "Modify"+t.Base)
	}
	for i := range t.Schedules {
		if id := t.Schedules[i].JobID(t); !slices.Contains(names, id) { // else SCHEDULE_NAME reports it
			names = append(names, id)
		}
	}
	if t.Result != nil {
		names = append(names, "Await"+t.Base)
	}
	for i := range names {
		names[i] = t.Name(names[i])
	}
	return names
}

// Symbols returns the names that are generated once for the package: those of handlers
// if it has tasks, for exported and other structs separately; RegisterSchedules if
// something is scheduled, and Queues if it declares one.
func (p *Package) Symbols() []string {
	var names []string
	if slices.ContainsFunc(p.Tasks, func(t Task) bool { return t.Exported() }) {
		names = append(names, "Handlers", "RegisterHandlers")
	}
	if slices.ContainsFunc(p.Tasks, func(t Task) bool { return !t.Exported() }) {
		names = append(names, "handlers", "registerHandlers")
	}
	if p.Jobs() {
		names = append(names, "RegisterSchedules")
	}
	if len(p.Queues) > 0 {
		names = append(names, "Queues")
	}
	return names
}

// Jobs reports whether the package has jobs, may have them, or had some that must be
// cancelled.
func (p *Package) Jobs() bool {
	return p.Schedules != nil || slices.ContainsFunc(p.Tasks, func(t Task) bool { return t.Jobs() })
}

// Owner is the owner of the package's recurring jobs.
func (p *Package) Owner() string {
	if p.Schedules != nil && p.Schedules.Owner != "" {
		return p.Schedules.Owner
	}
	return p.Path
}

// Header is the first line of every generated file. It has no version, because otherwise
// every upgrade would change every file.
const Header = "// Code generated by taskgen; DO NOT EDIT."

// FileName is the name of the file that is generated for a package.
func FileName(packageName string) string { return packageName + "_taskgen.go" }
