package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/internal/address"
	"github.com/taskgen/taskgen/internal/nearest"
)

// Errors about a URL quote nothing of it but the names of its parameters. An @ among the
// parameters is refused first: they may be the rest of a password with a question mark in
// it.
var (
	errParameters = errors.New("the parameters of the URL cannot be parsed: write %, & and ; in a value as %25, %26 and %3B")
	errFragment   = errors.New("the URL has a #, behind which nothing is read: in a user name, password or value write it as %23")
	errAt         = errors.New("the URL has an @ behind the ?: in a user name or password, write /, ?, # and @ as %2F, %3F, %23 and %40; in a value, too, write @ as %40")
)

// read takes the options out of a URL.
func (r *registered) read(rawURL, scheme string) (bare string, o reflect.Value, err error) {
	form := r.form(scheme)
	servers := []string{rawURL}
	if form.List {
		servers = strings.Split(rawURL, ",")
	}
	set := parameters{r: r, form: form, o: reflect.New(r.options).Elem(), given: make(map[string]bool)}
	for i, server := range servers {
		if servers[i], err = set.take(strings.TrimSpace(server)); err != nil {
			return "", set.o, err
		}
	}
	return strings.Join(servers, ","), set.o, errors.Join(set.bad...)
}

// parameters are those of a URL, on their way into options.
type parameters struct {
	r     *registered
	form  URLForm
	o     reflect.Value
	given map[string]bool
	bad   []error
}

// take sets the options of one server of a URL, and returns it without them.
func (ps *parameters) take(server string) (string, error) {
	if !strings.Contains(server, ":") || ps.form.List && !strings.Contains(server, "://") {
		server = ps.form.Scheme + "://" + server
	}
	u, err := address.Parse(server)
	if err != nil {
		return "", err
	}
	switch {
	case u.Fragment != "":
		return "", errFragment
	case strings.Contains(u.RawQuery, "@"):
		return "", errAt
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", errParameters
	}
	before := len(values)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if slices.Contains(ps.form.Parameters, name) {
			continue
		}
		if err := ps.option(name, values[name]); err != nil {
			ps.bad = append(ps.bad, err)
		}
		delete(values, name)
	}
	if len(values) == before {
		return server, nil // as it was written
	}
	u.RawQuery = values.Encode()
	return u.String(), nil
}

// option sets one option.
func (ps *parameters) option(name string, values []string) error {
	f, in, done := ps.find(name)
	if f.typ == nil {
		return ps.unknown(name)
	}
	if ps.given[name] || len(values) > 1 {
		return fmt.Errorf("option %s is given twice", name)
	}
	ps.given[name] = true
	v, err := f.parse(values[0])
	if err != nil {
		return fmt.Errorf("option %s: %s", name, f.want())
	}
	f.set(in, v)
	done()
	return nil
}

// find returns the field of an option and the struct that the field is in. done stores that
// struct in the map that it belongs to.
func (ps *parameters) find(name string) (f field, in reflect.Value, done func()) {
	done = func() {}
	if f, ok := named(ps.r.fields, name); ok && f.under == nil {
		return f, ps.o, done
	}
	first, rest, _ := strings.Cut(name, ".")
	entries, ok := named(ps.r.fields, first)
	last := strings.LastIndex(rest, ".")
	if !ok || entries.under == nil || last < 1 {
		return field{}, ps.o, done
	}
	all, key := ps.o.Field(entries.index), reflect.ValueOf(rest[:last])
	in = reflect.New(entries.typ.Elem()).Elem()
	if was := all.MapIndex(key); was.IsValid() {
		in.Set(was)
	}
	f, _ = named(entries.under, rest[last+1:])
	return f, in, func() {
		if all.IsNil() {
			all.Set(reflect.MakeMap(entries.typ))
		}
		all.SetMapIndex(key, in)
	}
}

// unknown names what may have been meant, and lists what there is.
func (ps *parameters) unknown(name string) error {
	options := names(ps.r.fields)
	var text strings.Builder
	fmt.Fprintf(&text, "there is no option %q", name)
	if near, ok := nearest.Name(name, slices.Concat(options, ps.form.Parameters)); ok {
		fmt.Fprintf(&text, ": did you mean %s?", near)
	}
	if len(options) == 0 {
		options = []string{"no options"}
	}
	fmt.Fprintf(&text, " (%s has %s", ps.r.name, strings.Join(options, ", "))
	if len(ps.form.Parameters) > 0 {
		fmt.Fprintf(&text, "; its client has %s", strings.Join(ps.form.Parameters, ", "))
	}
	text.WriteString(")")
	return errors.New(text.String())
}
