package target

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/taskgen/taskgen/config"
)

// Shown is a configuration as a file would have it, with marks in place of secrets. What is not
// set is left out.
func Shown(c *config.Config) yaml.MapSlice {
	all, _ := shown(reflect.ValueOf(*c)).(yaml.MapSlice)
	return all
}

// shown is a value of a configuration as YAML; nil is nothing.
func shown(v reflect.Value) any {
	if !v.IsValid() || v.IsZero() && v.Kind() != reflect.Pointer {
		return nil
	}
	switch one := v.Interface().(type) {
	case time.Duration:
		return one.String()
	case encoding.TextMarshaler: // secrets and URLs show themselves with marks
		text, err := one.MarshalText()
		if err != nil {
			return nil
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if e := v.Elem(); e.Kind() != reflect.Struct && e.IsZero() {
			return zero(e) // it is set, to the value that would otherwise mean that it is not
		}
		return shown(v.Elem())
	case reflect.Struct:
		return shownFields(v)
	case reflect.Map:
		return shownMap(v)
	case reflect.String:
		return shownText(v.String())
	}
	return v.Interface()
}

func zero(v reflect.Value) any {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	return v.Interface()
}

func shownFields(v reflect.Value) any {
	var all yaml.MapSlice
	for i := range v.NumField() {
		name, ok := v.Type().Field(i).Tag.Lookup("config")
		if !ok {
			continue
		}
		if value := shown(v.Field(i)); value != nil {
			all = append(all, yaml.MapItem{Key: name, Value: value})
		}
	}
	if all == nil {
		return nil
	}
	return all
}

func shownMap(v reflect.Value) any {
	var all yaml.MapSlice
	for _, key := range v.MapKeys() {
		value := shown(v.MapIndex(key))
		if value == nil {
			value = yaml.MapSlice{}
		}
		all = append(all, yaml.MapItem{Key: key.String(), Value: value})
	}
	slices.SortFunc(all, func(x, y yaml.MapItem) int { return strings.Compare(x.Key.(string), y.Key.(string)) })
	return all
}

// shownText hides what a URL among the options has.
func shownText(text string) string {
	if strings.Contains(text, "://") {
		return config.NewURL(text).String()
	}
	return text
}
