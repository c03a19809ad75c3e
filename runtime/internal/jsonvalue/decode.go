package jsonvalue

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
)

// Decode reads one JSON value and nothing behind it into v, a pointer to a zero value. It
// refuses members that v's type lacks, and an integer that v would hold as another number:
// see Lossless. With secret set, its error quotes nothing of the data.
func Decode(data []byte, v any, secret bool) error {
	t := reflect.TypeOf(v).Elem()
	d := strictDecoder(data)
	if err := d.Decode(v); err != nil {
		if secret {
			return PrintableError(t, data, true, err)
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the JSON value")
	}
	if !HoldsInterface(t) || !hasLongNumber(data) {
		return nil
	}
	// v holds float64s, which do not tell what they were made of.
	exact := reflect.New(t)
	d = strictDecoder(data)
	d.UseNumber()
	if err := d.Decode(exact.Interface()); err != nil {
		return errors.New("it is read differently when it is read again: a method that decodes a part of it changes what it does")
	}
	return lossSearch{numbers: true}.value(exact, "")
}

func strictDecoder(data []byte) *json.Decoder {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d
}
