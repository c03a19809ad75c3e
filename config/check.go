package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/internal/nearest"
)

// check reads the options of providers, and finds what contradicts itself.
func (d *decoder) check() {
	c := d.c
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		d.provider(name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		path, q := "queues."+name, c.Queues[name]
		d.reference(path+".provider", q.Provider)
		if q.Provider == "" && len(c.Providers) > 1 {
			d.report(c.positions.of(path), "queue %s names no provider: set its key provider to one of %s", name, c.providerNames())
		}
		if c.Pool.Strict && q.Weight != 0 {
			d.report(c.positions.of(path+".weight"), "queue %s has a weight, and the pool is strict: it goes by the order of the queues: leave one out", name)
		}
	}
	d.reference("results.provider", c.Results.Provider)
	d.reference("scheduler.provider", c.Scheduler.Provider)
	d.reference("fleet.provider", c.Fleet.Provider)
	d.reference("history.provider", c.History.Provider)
	report := func(path, format string, args ...any) { d.report(c.positions.of(path), format, args...) }
	c.checkServer(func(path, format string, args ...any) {
		if path == "server" || !d.reported(path) {
			report(path, format, args...)
		}
	})
	c.checkTelemetry(report)
}

func (c *Config) providerNames() string {
	return strings.Join(slices.Sorted(maps.Keys(c.Providers)), ", ")
}

// reference reports the name of a provider that is not there.
func (d *decoder) reference(path, name string) {
	if _, ok := d.c.Providers[name]; ok || name == "" {
		return
	}
	text := fmt.Sprintf("there is no provider %q", name)
	if near, ok := nearest.Name(name, slices.Collect(maps.Keys(d.c.Providers))); ok {
		text += ": did you mean " + near + "?"
	}
	d.report(d.c.positions.of(path), "%s (the section providers has %s)", text, d.c.providerNames())
}

// provider reads the options of a provider, by the table of what its URL names.
func (d *decoder) provider(name string) {
	c, path := d.c, "providers."+name
	p := c.Providers[name]
	where := c.positions.of(path + ".url")
	if p.URL.Reveal() == "" {
		if !d.reported(path) {
			d.report(c.positions.of(path), "provider %s has no url: set url or url_file", name)
		}
		return
	}
	scheme, clear := schemeOf(p.URL.Reveal())
	r := registry.of(scheme)
	if r == nil {
		d.report(where, "%s.url: %s", path, unregistered(scheme, clear))
		return
	}
	if _, _, err := r.read(p.URL.Reveal(), scheme); err != nil {
		d.report(where, "%s.url: %s", path, err)
	}
	if _, err := p.address(); err != nil {
		d.report(c.positions.of(path+".password"), "%s.password: %s", path, err)
	}
	o := reflect.New(r.options).Elem()
	if node := d.options[name]; node != nil {
		d.table(node, r.fields, o, path+".options")
	}
	for _, option := range slices.Sorted(maps.Keys(d.envOptions[name])) {
		set := d.envOptions[name][option]
		f, ok := named(r.fields, option)
		if !ok || f.under != nil {
			d.report(set.at, "%s", unknownKey(option, path+".options", r.fields))
			continue
		}
		v, err := f.parsed(set.text)
		if err != nil {
			d.report(set.at, "%s", err)
			continue
		}
		f.set(o, v)
	}
	if d.refuseUsers(r.fields, o, path+".options") {
		return
	}
	if !o.IsZero() {
		p.Options = o.Interface()
		c.Providers[name] = p
	}
}

// refuseUsers reports each URL with a user among options that are plain texts. Such
// options need no user, and are printed with the Config. It reports whether there is any.
func (d *decoder) refuseUsers(fields []field, in reflect.Value, path string) (found bool) {
	for _, f := range fields {
		v, path := in.Field(f.index), path+"."+f.name
		switch {
		case f.kind() == "map":
			for _, key := range v.MapKeys() {
				found = d.refuseUsers(f.under, v.MapIndex(key), path+"."+key.String()) || found
			}
		case f.kind() == "string" && hasUser(v.String()), f.kind() == "list" && slices.ContainsFunc(v.Interface().([]string), hasUser):
			found = true
			d.report(d.c.positions.of(path), "%s: a URL here has no user and no password: take them out", path)
		}
	}
	return found
}

// hasUser reports whether a text looks like a URL with a user, perhaps with a password in
// which a character is not escaped.
func hasUser(text string) bool {
	_, rest, ok := strings.Cut(text, "://")
	return ok && strings.Contains(rest, "@")
}

// reported reports whether there is a problem below a path already.
func (d *decoder) reported(path string) bool {
	for _, p := range d.bad {
		if strings.HasPrefix(p.text, path+".") {
			return true
		}
	}
	return false
}
