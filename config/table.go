package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A field is an entry of a table: a field of a struct with tags.
type field struct {
	name  string
	doc   string
	zero  string // what the zero value stands for
	enum  []string
	typ   reflect.Type // of the value, which a pointer points to
	index int          // in the struct
	under []field      // of a section, or of a map's values
	file  bool         // a key of the same name and _file reads the value from a file
	pkg   string       // of a section: the package below config that makes something of it
}

// The types of the fields of a table.
var (
	durationType = reflect.TypeFor[time.Duration]()
	bytesType    = reflect.TypeFor[Bytes]()
	listType     = reflect.TypeFor[[]string]()
	rateType     = reflect.TypeFor[Rate]()
	ratioType    = reflect.TypeFor[Ratio]()
	urlType      = reflect.TypeFor[URL]()
	secretType   = reflect.TypeFor[Secret]()
	anyType      = reflect.TypeFor[any]()
)

// tableOf reads the table that a struct is. It panics on a struct that is not a table:
// tables are written by programmers, and read when the program starts.
func tableOf(t reflect.Type) []field {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: %s is no table of options: a struct is", t))
	}
	var table []field
	for i := range t.NumField() {
		sf := t.Field(i)
		if t == reflect.TypeFor[Config]() && !sf.IsExported() {
			continue
		}
		f := field{name: sf.Tag.Get("config"), doc: sf.Tag.Get("doc"), zero: sf.Tag.Get("default"), typ: sf.Type, index: i, file: sf.Tag.Get("file") != "", pkg: sf.Tag.Get("import")}
		if values := sf.Tag.Get("enum"); values != "" {
			f.enum = strings.Split(values, ",")
		}
		if f.typ.Kind() == reflect.Pointer {
			f.typ = f.typ.Elem()
		}
		switch {
		case !sf.IsExported() || f.name == "" || f.doc == "":
			panic(fmt.Sprintf("config: %s.%s needs the tags config and doc, and to be exported", t, sf.Name))
		case slices.ContainsFunc(table, func(g field) bool { return g.name == f.name }):
			panic(fmt.Sprintf("config: %s has two options %s", t, f.name))
		case f.typ.Kind() == reflect.Map && f.typ.Key().Kind() == reflect.String && f.typ.Elem().Kind() == reflect.Struct:
			f.under = tableOf(f.typ.Elem())
		case f.kind() == "section":
			f.under = tableOf(f.typ)
		case f.kind() == "":
			panic(fmt.Sprintf("config: %s.%s is a %s, which no option can be", t, sf.Name, f.typ))
		}
		table = append(table, f)
	}
	return table
}

// kind is the type of a field in the words of the documentation.
func (f field) kind() string {
	switch {
	case f.typ.Kind() == reflect.Map:
		return "map"
	case f.typ == rateType:
		return "rate"
	case f.typ == ratioType:
		return "ratio"
	case f.typ == urlType:
		return "url"
	case f.typ == secretType:
		return "secret"
	case f.typ == anyType:
		return "options"
	case f.typ.Kind() == reflect.Struct:
		return "section"
	case f.typ == durationType:
		return "duration"
	case f.typ == bytesType:
		return "bytes"
	case f.typ == listType:
		return "list"
	case f.typ.Kind() == reflect.String:
		return "string"
	case f.typ.Kind() == reflect.Bool:
		return "bool"
	case f.typ.Kind() == reflect.Int:
		return "int"
	}
	return ""
}

// secret reports whether nothing may show the field's value.
func (f field) secret() bool { return f.kind() == "url" || f.kind() == "secret" }

// named is the field of a table with a name.
func named(table []field, name string) (field, bool) {
	i := slices.IndexFunc(table, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return table[i], true
}

// names are those of all fields, and of what is in a map of one as it is written in a URL.
func names(table []field) []string {
	var all []string
	for _, f := range table {
		if f.under == nil {
			all = append(all, f.name)
			continue
		}
		for _, name := range names(f.under) {
			all = append(all, f.name+".NAME."+name)
		}
	}
	return all
}
