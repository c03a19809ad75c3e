package redact

import (
	"log/slog"
	"reflect"
	"strconv"
)

// shownList and shownMap are redacted lists and maps. Log handlers do not look into
// such values, so they print themselves.
type (
	shownList []slog.Value
	shownMap  []slog.Attr
)

// String and MarshalJSON are what log handlers call.
func (l shownList) String() string               { return string(AppendText(nil, slog.AnyValue(l))) }
func (l shownList) MarshalJSON() ([]byte, error) { return appendShownJSON(nil, slog.AnyValue(l)) }
func (m shownMap) String() string                { return string(AppendText(nil, slog.AnyValue(m))) }
func (m shownMap) MarshalJSON() ([]byte, error)  { return appendShownJSON(nil, slog.AnyValue(m)) }

// AppendText writes a redacted value as text.
func AppendText(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindGroup:
		return appendPairs(b, v.Group(), '{', '}')
	case slog.KindString:
		if v.String() != Mark && v.String() != elided {
			return strconv.AppendQuote(b, v.String())
		}
	case slog.KindAny:
		switch items := v.Any().(type) {
		case shownList:
			b = append(b, '[')
			for i, item := range items {
				if i > 0 {
					b = append(b, ", "...)
				}
				b = AppendText(b, item)
			}
			return append(b, ']')
		case shownMap:
			return appendPairs(append(b, "map"...), items, '[', ']')
		}
	}
	return append(b, v.String()...)
}

func appendPairs(b []byte, pairs []slog.Attr, opens, closes byte) []byte {
	b = append(b, opens)
	for i, a := range pairs {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, a.Key...), ": "...)
		b = AppendText(b, a.Value)
	}
	return append(b, closes)
}

// appendShownJSON writes a redacted value as slog's JSON handler would.
func appendShownJSON(b []byte, v slog.Value) (_ []byte, err error) {
	var pairs []slog.Attr
	switch items := v.Any().(type) {
	case shownList:
		b = append(b, '[')
		for i, item := range items {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendShownJSON(b, item); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case shownMap:
		pairs = items
	case []slog.Attr: // a group
		pairs = items
	default:
		if failure, ok := items.(error); ok && !encodesItself(reflect.TypeOf(failure)) {
			return appendJSON(b, failure.Error())
		}
		return appendJSON(b, items)
	}
	b = append(b, '{')
	for i, a := range pairs {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, a.Key); err != nil {
			return nil, err
		}
		if b, err = appendShownJSON(append(b, ':'), a.Value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendJSON(b []byte, v any) ([]byte, error) {
	data, err := marshal(v)
	return append(b, data...), err
}
