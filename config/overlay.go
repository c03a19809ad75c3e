package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/internal/nearest"
)

// variablePrefix begins the variables that override a file. The others of this module
// (TASKGEN_CACHE, those of its tests) are not about a section.
const variablePrefix = "TASKGEN_"

// environment sets what variables override. An empty variable counts as not set.
func (d *decoder) environment() {
	var all []string
	for _, setting := range os.Environ() {
		name, value, _ := strings.Cut(setting, "=")
		if rest, ok := strings.CutPrefix(name, variablePrefix); ok && value != "" {
			all = append(all, rest)
		}
	}
	slices.Sort(all)
	for _, rest := range all {
		for _, section := range table {
			if under, ok := strings.CutPrefix(rest, envName(section.name)+"_"); ok {
				d.variable(section, under, variablePrefix+rest)
			}
		}
	}
}

// envName is a name as a part of a variable's.
func envName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// variable sets what one variable of a section says; under is its name behind the section's.
func (d *decoder) variable(section field, under, name string) {
	at := position{variable: name}
	under = strings.TrimSuffix(under, "_FILE")
	text, _, err := lookup(strings.TrimSuffix(name, "_FILE"))
	if err != nil {
		d.report(at, "%s", err)
		return
	}
	into := reflect.ValueOf(d.c).Elem().Field(section.index)
	path, prefix, root := section.name, variablePrefix+envName(section.name), ""
	for _, f := range section.under { // a map in a section, such as server.tokens
		if rest, ok := strings.CutPrefix(under, envName(f.name)+"_"); ok && section.kind() == "section" && f.kind() == "map" {
			root, section, into, under = section.name, f, into.Field(f.index), rest
			path, prefix = path+"."+f.name, prefix+"_"+envName(f.name)
			break
		}
	}
	fields, done := section.under, func() {}
	if section.kind() == "map" {
		key, field, ok := splitName(section, into, under)
		if !ok {
			d.report(at, "there is no such variable: write %s_NAME_ and one of %s", prefix, envNames(section.under))
			return
		}
		if option, ok := strings.CutPrefix(field, "OPTIONS_"); ok {
			d.envOption(section, key, strings.ToLower(option), text, at)
			return
		}
		into, done = entry(into, key)
		path, under = path+"."+key, field
	}
	i := slices.IndexFunc(fields, func(f field) bool { return envName(f.name) == under && f.under == nil && f.kind() != "options" })
	if i < 0 {
		hint := ""
		if near, ok := nearest.Name(under, strings.Split(envNames(fields), ", ")); ok {
			hint = fmt.Sprintf(": did you mean %s_%s?", prefix, near)
		}
		d.report(at, "there is no such variable%s (there are %s)", hint, envNames(fields))
		return
	}
	v, err := fields[i].parsed(text)
	if err != nil {
		d.report(at, "%s", err)
		return
	}
	fields[i].set(into, v)
	done()
	d.c.positions[path+"."+fields[i].name] = at
	for _, made := range []string{path, root} { // an entry, a section
		if _, ok := d.c.positions[made]; !ok && made != "" {
			d.c.positions[made] = at
		}
	}
}

func envNames(fields []field) string {
	var all []string
	for _, f := range fields {
		name := envName(f.name)
		if f.kind() == "options" || f.kind() == "map" {
			name += "_…"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// entry is an entry of a map, which done stores.
func entry(all reflect.Value, key string) (in reflect.Value, done func()) {
	in = reflect.New(all.Type().Elem()).Elem()
	if was := all.MapIndex(reflect.ValueOf(key)); was.IsValid() {
		in.Set(was)
	}
	return in, func() {
		if all.IsNil() {
			all.Set(reflect.MakeMap(all.Type()))
		}
		all.SetMapIndex(reflect.ValueOf(key), in)
	}
}

// splitName splits MAIN_URL into the name of a map's entry and of its field. An entry of the
// file has its name there; another one has that of the variable, in lower case.
func splitName(section field, all reflect.Value, under string) (key, field string, ok bool) {
	for _, f := range section.under {
		end := "_" + envName(f.name)
		if f.kind() == "options" {
			if i := strings.Index(under, end+"_"); i > 0 {
				key, field = under[:i], under[i+1:]
			}
		} else if name, found := strings.CutSuffix(under, end); found && name != "" && len(envName(f.name)) > len(field) {
			key, field = name, envName(f.name)
		}
	}
	for _, k := range all.MapKeys() {
		if envName(k.String()) == key {
			return k.String(), field, true
		}
	}
	return strings.ToLower(key), field, field != ""
}

// An envOption is the value of an option that a variable sets.
type envOption struct {
	text string
	at   position
}

func (d *decoder) envOption(section field, provider, option, text string, at position) {
	if _, ok := d.c.Providers[provider]; !ok {
		_, done := entry(reflect.ValueOf(d.c).Elem().Field(section.index), provider)
		done()
		d.c.positions["providers."+provider] = at
	}
	if d.envOptions[provider] == nil {
		d.envOptions[provider] = make(map[string]envOption)
	}
	d.envOptions[provider][option] = envOption{text, at}
}
