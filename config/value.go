package config

import (
	"encoding"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/internal/duration"
)

// Bytes is an amount of memory or storage, written as a number with or without a unit: kB,
// MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (powers of 1024).
type Bytes int64

var units = []struct {
	name string
	size int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// ParseBytes reads an amount of bytes: "512MiB", "1.5GB", "1000".
func ParseBytes(s string) (Bytes, error) {
	number, size := s, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			number, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/size {
		return Bytes(n * size), nil
	}
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.Trim(number, "0123456789.") != "" || x*float64(size) >= math.MaxInt64 {
		return 0, errors.New("an amount of bytes is a number with or without a unit, like 512MiB")
	}
	return Bytes(x * float64(size)), nil
}

// A Ratio is a share, from 0 to 1.
type Ratio float64

// errValue is the error of a text that is no value of its field; want says what is.
var errValue = errors.New("not a value of this field")

// parse returns the value of a field that is written as text.
func (f field) parse(text string) (reflect.Value, error) {
	v := reflect.New(f.typ).Elem()
	switch f.kind() {
	case "string":
		if len(f.enum) > 0 && !f.allows(text) {
			return v, errValue
		}
		v.SetString(text)
	case "bool":
		b, err := strconv.ParseBool(text)
		if err != nil {
			return v, errValue
		}
		v.SetBool(b)
	case "int":
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return v, errValue
		}
		v.SetInt(int64(n))
	case "duration":
		d, err := duration.Parse(text)
		if err != nil || d < 0 {
			return v, errValue
		}
		v.SetInt(int64(d))
	case "bytes":
		n, err := ParseBytes(text)
		if err != nil {
			return v, errValue
		}
		v.SetInt(int64(n))
	case "ratio":
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(x >= 0 && x <= 1) { // also if it is no number
			return v, errValue
		}
		v.SetFloat(x)
	case "rate", "url", "secret":
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return v, errValue
		}
	case "list":
		v.Set(reflect.ValueOf(strings.Split(text, ",")))
	default:
		return v, errValue
	}
	return v, nil
}

// set sets the field of a struct to a value that parse returned.
func (f field) set(in, v reflect.Value) {
	at := in.Field(f.index)
	if at.Kind() == reflect.Pointer {
		at.Set(reflect.New(f.typ))
		at = at.Elem()
	}
	at.Set(v)
}

func (f field) allows(value string) bool { return slices.Contains(f.enum, value) }

// want says what the values of a field are.
func (f field) want() string {
	switch f.kind() {
	case "bool":
		return "write true or false"
	case "int":
		return "write a whole number"
	case "duration":
		return "write a duration, like 20s, 5m or 1d12h"
	case "bytes":
		return "write an amount of bytes, like 512MiB"
	case "list":
		return "write values separated by commas"
	case "rate":
		return "write a rate, like 100/s or 20/5m"
	case "ratio":
		return "write a number from 0 to 1, like 0.01"
	case "map":
		return "write " + strings.Join(names([]field{f}), ", ")
	}
	if len(f.enum) > 0 {
		return "write " + strings.Join(f.enum, " or ")
	}
	return "write a text"
}
