package runtime

import (
	"reflect"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/internal/jsonvalue"
)

// template is how a task is made without the code of T; see package catalog.
func (s *Spec[T]) template() *typeinfo.Template {
	t := &typeinfo.Template{Version: typeinfo.Version, Priority: s.Priority, SchemaVersion: s.SchemaVersion}
	if s.UniqueKey != nil {
		t.UniqueBy, t.UniqueFor = s.UniqueBy, s.UniqueFor
	}
	if s.GroupKey != nil {
		t.GroupBy = s.GroupBy
	}
	if s.Validate != nil {
		t.Required = s.Required
	}
	shape := jsonvalue.ShapeOf(reflect.TypeFor[T]())
	if t.Refused = s.refused(t, &shape); t.Refused == "" {
		t.Payload = &shape
	}
	return t
}

// refused is why no task can be made without the code of T; empty: it can.
func (s *Spec[T]) refused(t *typeinfo.Template, shape *typeinfo.Shape) string {
	switch {
	case s.Codec != nil:
		return "its payloads have a codec of their own"
	case s.UniqueKey != nil && len(s.UniqueBy) == 0:
		return "its unique key is made by a function, and its Spec has no UniqueBy"
	case s.GroupKey != nil && s.GroupBy == "":
		return "its group key is made by a function, and its Spec has no GroupBy"
	}
	return typeinfo.Refuses(shape, t.UniqueBy, t.GroupBy)
}
