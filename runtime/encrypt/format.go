package encrypt

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/runtime"
)

// The first two bytes of a ciphertext. Ciphertexts of the previous version begin with the
// length of the key's ID, which is never 0.
const (
	marked  = 0
	version = 1
)

// The kinds of ciphertext. One kind cannot pass for another.
const (
	ofTask   = "task"
	ofJob    = "job"
	ofResult = "result"
)

// encode encrypts the payload of a task, with the primary key.
func (r *KeyRing) encode(kind string, t *runtime.Task) []byte {
	aead := r.keys[r.primary]
	out := make([]byte, 0, 3+len(r.primary)+len(t.Payload)+aead.Overhead())
	out = append(out, marked, version, byte(len(r.primary)))
	out = append(out, r.primary...)
	return aead.Seal(out, nil, t.Payload, texts(kind, t.ID, t.Type, t.Queue, t.Encoding))
}

// decode decrypts the payload of a task whose last encoding is [Encoding].
func (r *KeyRing) decode(kind string, t *runtime.Task) ([]byte, error) {
	before := strings.TrimSuffix(t.Encoding, Encoding)
	if before != "," { // a list with an empty first element differs
		before = strings.TrimSuffix(before, ",")
	}
	what := subject(kind, t)
	rest, bound := t.Payload, texts(kind, t.ID, t.Type, t.Queue, before)
	switch {
	case len(rest) > 1 && rest[0] == marked && rest[1] == version:
		rest = rest[2:]
	case len(rest) > 1 && rest[0] == marked:
		return nil, fmt.Errorf("%w: %s is encrypted in version %d of the format, and this build reads up to %d", runtime.ErrInvalidTask, what, rest[1], version)
	case kind == ofTask:
		bound = texts(t.ID, t.Type)
	}
	id, sealed, ok := splitKeyID(rest)
	if !ok {
		return nil, fmt.Errorf("%w: %s is too short for a ciphertext", runtime.ErrInvalidTask, what)
	}
	aead, ok := r.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w: %s needs the key %q, and the ring has %q", ErrUnknownKey, what, id, r.ids())
	}
	payload, err := aead.Open(nil, nil, sealed, bound)
	if err != nil {
		return nil, fmt.Errorf("%w: %s does not decrypt with the key %q: it was changed, or it belongs to another %s or queue", runtime.ErrInvalidTask, what, id, kind)
	}
	return payload, nil
}

// subject names what was encrypted, for errors.
func subject(kind string, t *runtime.Task) string {
	switch kind {
	case ofJob:
		return fmt.Sprintf("the payload of job %s (%s)", t.ID, t.Type)
	case ofResult:
		return fmt.Sprintf("the result of task %s", t.ID)
	}
	return fmt.Sprintf("the payload of task %s (%s)", t.ID, t.Type)
}

func splitKeyID(payload []byte) (id string, sealed []byte, ok bool) {
	if len(payload) == 0 || payload[0] == 0 || len(payload) < 1+int(payload[0]) {
		return "", nil, false
	}
	n := 1 + int(payload[0])
	return string(payload[1:n]), payload[n:], true
}

// texts encodes additional data: each text after its length.
func texts(all ...string) []byte {
	size := 0
	for _, s := range all {
		size += 4 + len(s)
	}
	data := make([]byte, 0, size)
	for _, s := range all {
		data = binary.BigEndian.AppendUint32(data, uint32(len(s)))
		data = append(data, s...)
	}
	return data
}
