// Package jsonpayload shows and checks payloads by what is known about their type: the
// paths of its secrets, and its JSON Schema.
package jsonpayload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Decode reads a value and keeps its numbers as they are written.
func Decode(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err = d.Decode(&v); err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is more than one value")
		}
	}
	return v, err
}

// SyntaxError says where a text is not JSON. It does not quote the text, which may contain
// a secret.
func SyntaxError(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("it is not JSON, from byte %d on", syntax.Offset)
	}
	return "it is not JSON: " + err.Error()
}
