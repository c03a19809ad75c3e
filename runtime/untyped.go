package runtime

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/taskgen/taskgen/internal/secretpath"
)

// checkUntyped refuses a value with secrets in an interface: as JSON it arrives as a
// map, of which nobody knows what is secret, and would be shown in logs and dead
// letters. What is hidden as a whole may hold one. It is for values that
// encoding/json has encoded, and which so end somewhere.
func checkUntyped(v any, secrets []string) error {
	rv := reflect.ValueOf(v)
	if !holdsInterface(rv.Type(), nil) {
		return nil
	}
	return untyped(rv, secretpath.Parse(secrets), "")
}

// untyped looks at a value, of which secret says what is hidden. path is for the error.
func untyped(v reflect.Value, secret secretpath.Set, path string) error {
	if secret.Here() || !v.IsValid() || !holdsInterface(v.Type(), nil) || writesItself(v.Type()) {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		c := carrier{left: math.MaxInt}
		if c.carries(v) {
			return fmt.Errorf("%s holds a value of type %s in an interface, with fields tagged task:\"secret\": their tags do not arrive, and they would be shown: give it a type, or tag the field that it is in", orElse(path, "the value"), v.Elem().Type())
		}
	case reflect.Pointer:
		return untyped(v.Elem(), secret, path)
	case reflect.Slice, reflect.Array:
		below, ok := secret.Element()
		if !ok {
			return nil // hidden as a whole
		}
		for i := range v.Len() {
			if err := untyped(v.Index(i), below, path+"[]"); err != nil {
				return err
			}
		}
	case reflect.Map:
		for key, elem := range v.Seq2() {
			if err := untyped(elem, secret.Member(fmt.Sprint(key)), path+"{}"); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return untypedFields(v, secret, path)
	}
	return nil
}

func untypedFields(v reflect.Value, secret secretpath.Set, path string) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		isStruct := indirectType(f.Type).Kind() == reflect.Struct
		if !isEncoded(f) || isSecret(f) || !f.IsExported() && !isStruct {
			continue
		}
		below, at := secret, path
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.Anonymous || name != "" || !isStruct {
			name = orElse(name, f.Name)
			below, at = secret.Member(name), strings.TrimPrefix(path+"."+name, ".")
		}
		if err := untyped(v.Field(i), below, at); err != nil {
			return err
		}
	}
	return nil
}
