package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Formats are the values of --output.
var Formats = []string{"table", "json", "jsonl"}

// CheckFormat returns an error for what is no format.
func CheckFormat(format string) error {
	for _, f := range Formats {
		if f == format {
			return nil
		}
	}
	return fmt.Errorf("--output is %s, not %q", strings.Join(Formats, ", "), format)
}

// Fields that are not set are there with their zero values, so that scripts can rely on them.
var marshal = protojson.MarshalOptions{EmitDefaultValues: true}

// encode is a message as JSON on one line. The library varies its spaces on purpose.
func encode(m proto.Message) ([]byte, error) {
	text, err := marshal.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Show prints an answer of the API: as a table, as a JSON document, or as JSON lines: one for
// each of its items, or one for all of it if it is no list (items is nil).
func (s *Streams) Show(format string, answer proto.Message, items []proto.Message, print func() error) error {
	switch format {
	case "json":
		text, err := encode(answer)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := json.Indent(&b, text, "", "  "); err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.Out, b.String())
		return err
	case "jsonl":
		if items == nil {
			items = []proto.Message{answer}
		}
		for _, m := range items {
			if err := s.Line(m); err != nil {
				return err
			}
		}
		return nil
	}
	return print()
}

// Line prints a message as JSON on one line.
func (s *Streams) Line(m proto.Message) error {
	text, err := encode(m)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s\n", text)
	return err
}

// Items are the items of a list, for Show; never nil.
func Items[M proto.Message](all []M) []proto.Message {
	items := make([]proto.Message, len(all))
	for i, m := range all {
		items[i] = m
	}
	return items
}
