package config

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A URLForm is a form of URL that a provider takes.
type URLForm struct {
	// Scheme is what the URL begins with, in lower case: "redis+cluster".
	Scheme string
	// Example is a URL of this form, and Text says what it leads to: both for the
	// documentation.
	Example, Text string
	// Parameters are the parameters of the URL that the provider's client reads by itself.
	// They stay in the URL that the provider is opened with. Every other parameter is an
	// option, or an error.
	Parameters []string
	// List says that a URL may be a list of several servers, separated by commas.
	List bool
}

// Deps are what a provider gets from the program besides its options.
type Deps struct {
	// Logger is for warnings of the provider. Nil: slog.Default, as it is at the time of
	// each record.
	Logger *slog.Logger
}

// Register makes a provider known to [OpenProvider], under the schemes of the given forms.
// The packages below config call it when they are imported; so does a package for a
// provider of one's own.
//
// O is a struct, the provider's table of options. Each exported field is an option, with
// these tags:
//
//	config   its name, in lower case with underscores
//	doc      what it means, as one sentence of the documentation
//	default  what its zero value stands for, for the documentation
//	enum     the values that a string may have, separated by commas
//
// A field is a string, bool, int, time.Duration, [Bytes], a []string, or a pointer to one of
// these where the zero value is not the default. A map from string to a struct of such
// fields has an option for each field, map.key.field in a URL.
//
// open is called with the URL without its options, which are in o. Its error must show no
// password of the URL.
//
// Register panics if the name or a scheme is registered already, or if O is no such table.
func Register[O any](name string, forms []URLForm, open func(ctx context.Context, rawURL string, o O, deps Deps) (driver.Provider, error)) {
	typ := reflect.TypeFor[O]()
	fields := tableOf(typ)
	for _, f := range fields {
		if f.kind() == "section" || f.kind() == "options" {
			panic(fmt.Sprintf("config: option %s of %s is a %s, which no option can be", f.name, name, f.typ))
		}
	}
	registry.add(&registered{
		name: name, forms: forms, options: typ, fields: fields,
		open: func(ctx context.Context, rawURL string, o reflect.Value, deps Deps) (driver.Provider, error) {
			return open(ctx, rawURL, o.Interface().(O), deps)
		},
	})
}

// registered is a provider and what it takes.
type registered struct {
	name    string
	forms   []URLForm
	options reflect.Type
	fields  []field
	open    func(ctx context.Context, rawURL string, o reflect.Value, deps Deps) (driver.Provider, error)
}

// form is the provider's form of URL with a scheme.
func (r *registered) form(scheme string) URLForm {
	return r.forms[slices.IndexFunc(r.forms, func(f URLForm) bool { return f.Scheme == scheme })]
}

type providers struct {
	mu       sync.RWMutex
	byName   map[string]*registered
	byScheme map[string]*registered
}

var registry = providers{byName: make(map[string]*registered), byScheme: make(map[string]*registered)}

func (ps *providers) add(r *registered) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.byName[r.name] != nil {
		panic(fmt.Sprintf("config: the provider %s is registered twice", r.name))
	}
	for _, f := range r.forms {
		if other := ps.byScheme[f.Scheme]; other != nil {
			panic(fmt.Sprintf("config: the scheme %s of %s is registered already, by %s", f.Scheme, r.name, other.name))
		}
	}
	ps.byName[r.name] = r
	for _, f := range r.forms {
		ps.byScheme[f.Scheme] = r
	}
}

// of is the provider of a scheme, or nil.
func (ps *providers) of(scheme string) *registered {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.byScheme[scheme]
}

// schemes are the registered ones, sorted.
func (ps *providers) schemes() []string {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return slices.Sorted(maps.Keys(ps.byScheme))
}

// all are the registered providers, by name.
func (ps *providers) all() []*registered {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return slices.SortedFunc(maps.Values(ps.byName), func(a, b *registered) int { return strings.Compare(a.name, b.name) })
}
