package driver

import "strings"

// LastEncoding returns the encoding to undo first, "" when the payload is plain JSON.
func (t *Task) LastEncoding() string {
	return t.Encoding[strings.LastIndexByte(t.Encoding, ',')+1:]
}

// Encoded returns a copy of t with a payload that was encoded once more, and with the
// name of that encoding appended to its list. t is unchanged and shares its metadata with
// the copy.
func (t *Task) Encoded(name string, payload []byte) *Task {
	c := *t
	c.Payload = payload
	if c.Encoding != "" {
		name = c.Encoding + "," + name
	}
	c.Encoding = name
	return &c
}

// Decoded returns a copy of t with a payload whose last encoding was undone, and without
// that encoding's name. t is unchanged and shares its metadata with the copy.
func (t *Task) Decoded(payload []byte) *Task {
	c := *t
	c.Payload = payload
	c.Encoding = c.Encoding[:max(strings.LastIndexByte(c.Encoding, ','), 0)]
	return &c
}
