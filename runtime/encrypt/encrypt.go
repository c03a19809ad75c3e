// Package encrypt keeps payloads from whoever can read the broker, with
// AES-256-GCM.
//
//	key, err := encrypt.ParseKey(os.Getenv("TASK_KEY"))
//	ring, err := encrypt.NewKeyRing("2026-03", map[string][]byte{"2026-03": key}, encrypt.RequireAll())
//	manager := runtime.NewManager(runtime.ManagerConfig{
//		Middleware: []runtime.EnqueueMiddleware{ring.Enqueue},
//	})
//	router.Use(ring.Handle)
//	quote, err := tasks.AwaitQuote(ctx, ring.Results(provider.Results()), id)
//
// With package compress, compress first: a ciphertext does not get smaller. The
// manager lists the compressor's Enqueue before ring.Enqueue, and the router uses
// ring.Handle before the compressor's.
//
// # What is protected
//
// Payloads are encrypted wherever they lie:
//
//   - On queues and dead letter queues, and in the stores of dead letters.
//   - In stores of jobs: a schedule.Service seals the tasks of its jobs by the ring
//     that it finds in the middleware of its manager, and opens them when they fire.
//     A middleware of your own that calls ring.Enqueue hides the ring: name it in
//     runtime.ManagerConfig.Sealers then. A job that was stored in clear before
//     fires as it did, and is sealed with its next change or firing.
//   - In stores of results: ring.Handle encrypts what handlers return, and
//     [KeyRing.Results] decrypts it for those who await it. Without that the error
//     names the encoding.
//
// A ciphertext belongs to its task: one that was changed, or put into a task with
// another ID, type or queue, or with other encodings before this one, is refused. A
// task that goes to another queue for good is decrypted first, and encrypted again
// once it names its new queue. Redrives go to the queue that a task died on, and need
// nothing; a middleware that changes the queue stands before ring.Enqueue. The queue
// is the one that the envelope names: on a dead letter queue that is the one where the
// task died.
//
// All else in the envelope is readable: type, queue, metadata, group key, and the
// unique key, which generated code makes a hash of the fields it derives from:
// whoever can guess them can check the guess. The texts of the errors that handlers
// return are readable, too, which retries and dead letters keep in the metadata and
// result stores in the place of a result, and so are the notes of runtime.Progress.
//
// # Strict rings
//
// A task that is not marked as encrypted passes, so that encryption can be
// introduced while tasks are on the queue: whoever can write to the broker can still
// enqueue tasks of his own. Once everything is encrypted, make the ring strict, by
// [RequireAll] or, type by type, by [Require]: it then refuses such tasks, and jobs
// and, with RequireAll, results that lie in clear. What is refused is an
// [ErrNotEncrypted] and dies; change jobs that were stored in clear before that, with
// a payload, so that they are sealed (schedules in annotations change themselves).
//
// A handler's router without this middleware fails such a task with an error
// that names the encoding; it is dead lettered unharmed, and can be redriven.
//
// # Keys
//
// One key of the ring, the primary one, encrypts; all of them decrypt. To
// rotate: add the new key everywhere, make it the primary one everywhere, and
// take the old one out once nothing is on the queues and dead letter queues, and in
// the stores of jobs and results, that it encrypted. Nonces are random, so a key must
// not encrypt more than 2^32 (4,294,967,296) payloads: beyond that two nonces may be
// equal, which would break it. Rotate well before that.
//
// # Format
//
// The payload is a byte 0, a byte 1 for the version, one byte with the length of the
// key's ID, the ID, a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes. The
// additional data are five texts, each after its length in 4 bytes, the highest
// first: what it is ("task"; "job" in a store of jobs, where the ID is the job's;
// "result" in a store of results, with neither type nor queue), the task's ID, type
// and queue, and the encodings before this one as they stand in the envelope.
//
// Tasks of the version before are read, by strict rings too, and never written: they
// begin with the length of the key's ID, which is not 0, and their additional data
// are ID and type alone. Workers must know the present version before producers write
// it: those that do not take it for an unknown key, and retry.
package encrypt

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
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

// ErrNotEncrypted: a task lies in clear, and the ring requires its type to be
// encrypted. The error wraps [runtime.ErrInvalidTask], too: it is not retried.
var ErrNotEncrypted = errors.New("encrypt: not encrypted")

// A KeyRing encrypts payloads at enqueue and decrypts them for the handler. It is
// safe for use by many goroutines. It prints as the IDs of its keys.
type KeyRing struct {
	primary string
	keys    map[string]cipher.AEAD
	// What is refused in clear.
	requireAll bool
	required   map[string]bool // by type
}

var _ runtime.Sealer = (*KeyRing)(nil)

// An Option changes a KeyRing.
type Option func(*KeyRing)

// Require has the ring refuse tasks of the given types that are not encrypted.
// [KeyRing.Handle] knows by which other names its router takes a type (its aliases),
// and refuses tasks under those as well. [KeyRing.Decrypt] and stores of jobs know no
// aliases: name those here, too.
func Require(types ...string) Option {
	return func(r *KeyRing) {
		for _, t := range types {
			r.required[t] = true
		}
	}
}

// RequireAll has the ring refuse all tasks and results that are not encrypted.
func RequireAll() Option { return func(r *KeyRing) { r.requireAll = true } }

// NewKeyRing returns a ring of keys by ID. The primary key encrypts, every key
// decrypts. IDs have 1 to 255 bytes and travel in clear; keys have [KeySize]
// bytes and are copied. Without options it lets pass what is not encrypted.
func NewKeyRing(primary string, keys map[string][]byte, opts ...Option) (*KeyRing, error) {
	r := &KeyRing{primary: primary, keys: make(map[string]cipher.AEAD, len(keys)), required: make(map[string]bool)}
	for _, opt := range opts {
		opt(r)
	}
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
// is, so that one taken off a queue can be enqueued there again under its ID. What it
// returns is a [runtime.Sealer].
func (r *KeyRing) Enqueue(next runtime.Enqueuer) runtime.Enqueuer { return &enqueuer{r, next} }

type enqueuer struct {
	ring *KeyRing
	next runtime.Enqueuer
}

var _ runtime.Sealer = (*enqueuer)(nil)

func (e *enqueuer) Enqueue(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
	passed := make([]*runtime.Task, len(tasks))
	for i, t := range tasks {
		passed[i] = e.ring.Encrypt(t)
	}
	return e.next.Enqueue(ctx, passed)
}

func (e *enqueuer) Seal(t *runtime.Task) (*runtime.Task, error)   { return e.ring.Seal(t) }
func (e *enqueuer) Unseal(t *runtime.Task) (*runtime.Task, error) { return e.ring.Unseal(t) }

// Handle is the [runtime.Middleware]. It passes on a copy of the task with the
// payload decrypted, so that what a retry or the dead letter queue keeps stays
// encrypted, and encrypts the task's result on its way to the result store. A task
// that is not marked passes as it is, unless the ring requires its type.
func (r *KeyRing) Handle(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		plain, err := r.decrypt(t, func(taskType string) bool { return r.requires(ctx, taskType) })
		if err != nil {
			return err
		}
		runtime.EncodeResult(ctx, r.encryptResult)
		return next.Handle(ctx, plain)
	})
}

// Encrypt returns a copy of t with the payload encrypted with the primary key, or
// t when its last encoding is [Encoding].
func (r *KeyRing) Encrypt(t *runtime.Task) *runtime.Task {
	if t.LastEncoding() == Encoding {
		return t
	}
	return t.Encoded(Encoding, r.encode(ofTask, t))
}

// Decrypt returns t when its last encoding is not [Encoding], else a copy with
// the payload decrypted. The error wraps [ErrUnknownKey] when the ring lacks the
// key, [runtime.ErrInvalidTask] when the ciphertext was changed or belongs to
// another task or queue, and [ErrNotEncrypted] when there is none and the ring
// requires one.
func (r *KeyRing) Decrypt(t *runtime.Task) (*runtime.Task, error) {
	return r.decrypt(t, func(taskType string) bool { return r.required[taskType] })
}

func (r *KeyRing) decrypt(t *runtime.Task, required func(taskType string) bool) (*runtime.Task, error) {
	if t.LastEncoding() != Encoding {
		if r.requireAll || required(t.Type) {
			return nil, inClear(ofTask, t)
		}
		return t, nil
	}
	payload, err := r.decode(ofTask, t)
	if err != nil {
		return nil, err
	}
	return t.Decoded(payload), nil
}

// requires reports whether a type must be encrypted under one of the names by which
// the router of the context's handler takes it.
func (r *KeyRing) requires(ctx context.Context, taskType string) bool {
	if r.required[taskType] || len(r.required) == 0 {
		return r.required[taskType]
	}
	policy, _ := runtime.PolicyFromContext(ctx)
	return r.required[policy.Type] || slices.ContainsFunc(policy.Aliases, func(name string) bool { return r.required[name] })
}

func inClear(kind string, t *runtime.Task) error {
	return fmt.Errorf("%w: %w: %s is in clear, and the key ring requires it to be encrypted", runtime.ErrInvalidTask, ErrNotEncrypted, subject(kind, t))
}
