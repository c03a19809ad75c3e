// Package encrypt keeps payloads from whoever can read the broker, with
// AES-256-GCM.
//
//	key, err := encrypt.ParseKey(os.Getenv("TASK_KEY"))
//	ring, err := encrypt.NewKeyRing("2026-03", map[string][]byte{"2026-03": key})
//	manager := runtime.NewManager(runtime.ManagerConfig{
//		Middleware: []runtime.EnqueueMiddleware{ring.Enqueue},
//	})
//	router.Use(ring.Handle)
//
// With package compress, compress first: a ciphertext does not get smaller. The
// manager lists the compressor's Enqueue before ring.Enqueue, and the router uses
// ring.Handle before the compressor's.
//
// # What is protected
//
// The payload, and that it belongs to its task: a ciphertext that was changed, or
// put into a task with another ID or type, is refused. All else in the envelope
// is readable: type, queue, metadata, group key, and the unique key, which
// generated code makes a hash of the fields it derives from. Results that
// handlers return are not encrypted, and neither are the texts of the errors that
// they return, which retries and dead letters keep in the metadata.
//
// A task that is not marked as encrypted passes, so that encryption can be
// introduced while tasks are on the queue. So whoever can write to the broker
// can still enqueue tasks of his own.
//
// A handler's router without this middleware fails such a task with an error
// that names the encoding; it is dead lettered unharmed, and can be redriven.
//
// # Keys
//
// One key of the ring, the primary one, encrypts; all of them decrypt. To
// rotate: add the new key everywhere, make it the primary one everywhere, and
// take the old one out once nothing is on the queues and dead letter queues that
// it encrypted. Nonces are random, so a key must not encrypt more than 2^32
// (4,294,967,296) payloads: beyond that two nonces may be equal, which would
// break it. Rotate well before that.
//
// # Format
//
// The payload is one byte with the length of the key's ID, the ID, a nonce of 12
// bytes, the ciphertext, and a tag of 16 bytes. The additional data are the
// task's ID and type, each after its length in 4 bytes, the highest first.
package encrypt

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime"
)

// Encoding is the mark of an encrypted payload in Task.Encoding.
const Encoding = "aes-gcm"

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrUnknownKey: the payload was encrypted with a key that is not on the ring.
// It is retried like any failure, for the key may be on its way.
var ErrUnknownKey = errors.New("encrypt: unknown key")

// ParseKey reads a key of 32 bytes from its base64 form, in the standard or the
// URL alphabet, with or without padding. White space around it does not count.
// Its errors do not show the key.
func ParseKey(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(s), "="))
	key, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("encrypt: the key is not base64: make one with: head -c 32 /dev/urandom | base64")
	}
	if err := checkSize(key); err != nil {
		return nil, err
	}
	return key, nil
}

func checkSize(key []byte) error {
	if len(key) != KeySize {
		return fmt.Errorf("encrypt: the key has %d bytes and needs %d: make one with: head -c 32 /dev/urandom | base64", len(key), KeySize)
	}
	return nil
}

// A KeyRing encrypts payloads at enqueue and decrypts them for the handler. It is
// safe for use by many goroutines. It prints as the IDs of its keys.
type KeyRing struct {
	primary string
	keys    map[string]cipher.AEAD
}

// NewKeyRing returns a ring of keys by ID. The primary key encrypts, every key
// decrypts. IDs have 1 to 255 bytes and travel in clear; keys have [KeySize]
// bytes and are copied.
func NewKeyRing(primary string, keys map[string][]byte) (*KeyRing, error) {
	r := &KeyRing{primary: primary, keys: make(map[string]cipher.AEAD, len(keys))}
	for id, key := range keys {
		if id == "" || len(id) > 255 {
			return nil, fmt.Errorf("encrypt: the key ID %q has %d bytes, and may have 1 to 255", id, len(id))
		}
		if err := checkSize(key); err != nil {
			return nil, fmt.Errorf("key %q: %w", id, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("encrypt: key %q: %w", id, err)
		}
		if r.keys[id], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("encrypt: key %q: %w", id, err)
		}
	}
	if _, ok := r.keys[primary]; !ok {
		return nil, fmt.Errorf("%w: the primary key %q is not among %q", ErrUnknownKey, primary, r.ids())
	}
	return r, nil
}

func (r *KeyRing) ids() []string { return slices.Sorted(maps.Keys(r.keys)) }

// String returns the IDs of the ring's keys, the primary one first.
func (r *KeyRing) String() string {
	return fmt.Sprintf("encrypt.KeyRing(primary %q of %q)", r.primary, r.ids())
}

// GoString returns what String does.
func (r *KeyRing) GoString() string { return r.String() }

// Enqueue is the [runtime.EnqueueMiddleware]. It passes on copies of the tasks
// with their payloads encrypted; a task that is encrypted already passes as it
// is, so that one taken off a queue can be enqueued again under its ID.
func (r *KeyRing) Enqueue(next runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		passed := make([]*runtime.Task, len(tasks))
		for i, t := range tasks {
			passed[i] = r.Encrypt(t)
		}
		return next.Enqueue(ctx, passed)
	})
}

// Handle is the [runtime.Middleware]. It passes on a copy of the task with the
// payload decrypted, so that what a retry or the dead letter queue keeps stays
// encrypted. A task that is not marked passes as it is.
func (r *KeyRing) Handle(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		t, err := r.Decrypt(t)
		if err != nil {
			return err
		}
		return next.Handle(ctx, t)
	})
}

// Encrypt returns a copy of t with the payload encrypted with the primary key, or
// t when its last encoding is [Encoding].
func (r *KeyRing) Encrypt(t *runtime.Task) *runtime.Task {
	if t.LastEncoding() == Encoding {
		return t
	}
	aead := r.keys[r.primary]
	out := make([]byte, 0, 1+len(r.primary)+len(t.Payload)+aead.Overhead())
	out = append(out, byte(len(r.primary)))
	out = append(out, r.primary...)
	return t.Encoded(Encoding, aead.Seal(out, nil, t.Payload, additionalData(t)))
}

// Decrypt returns t when its last encoding is not [Encoding], else a copy with
// the payload decrypted. The error wraps [ErrUnknownKey] when the ring lacks the
// key, and [runtime.ErrInvalidTask] when the ciphertext was changed or belongs to
// another task.
func (r *KeyRing) Decrypt(t *runtime.Task) (*runtime.Task, error) {
	if t.LastEncoding() != Encoding {
		return t, nil
	}
	id, sealed, ok := splitKeyID(t.Payload)
	if !ok {
		return nil, fmt.Errorf("%w: the payload of task %s (%s) is too short for a ciphertext", runtime.ErrInvalidTask, t.ID, t.Type)
	}
	aead, ok := r.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w: the payload of task %s (%s) needs the key %q, and the ring has %q", ErrUnknownKey, t.ID, t.Type, id, r.ids())
	}
	payload, err := aead.Open(nil, nil, sealed, additionalData(t))
	if err != nil {
		return nil, fmt.Errorf("%w: the payload of task %s (%s) does not decrypt with the key %q: it was changed, or it belongs to another task",
			runtime.ErrInvalidTask, t.ID, t.Type, id)
	}
	return t.Decoded(payload), nil
}

func splitKeyID(payload []byte) (id string, sealed []byte, ok bool) {
	if len(payload) == 0 || len(payload) < 1+int(payload[0]) {
		return "", nil, false
	}
	n := 1 + int(payload[0])
	return string(payload[1:n]), payload[n:], true
}

func additionalData(t *runtime.Task) []byte {
	data := make([]byte, 0, 8+len(t.ID)+len(t.Type))
	for _, s := range [...]string{t.ID, t.Type} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(s)))
		data = append(data, s...)
	}
	return data
}
