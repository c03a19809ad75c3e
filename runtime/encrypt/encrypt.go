// Package encrypt hides payloads from anyone who can read the broker, with AES-256-GCM.
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
// Payloads are encrypted wherever they are stored:
//
//   - On queues and dead letter queues, and in stores of dead letters.
//   - In job stores: a schedule.Service seals the tasks of its jobs with the ring that it
//     finds in the middleware of its manager, and unseals them when they fire. A custom
//     middleware that calls ring.Enqueue hides the ring: name the ring in
//     runtime.ManagerConfig.Sealers then. A job that was already stored in clear still
//     fires, and is sealed at its next change or firing.
//   - In result stores: ring.Handle encrypts the results of handlers, and
//     [KeyRing.Results] decrypts them for the code that awaits them. Without it Await
//     fails with an error that names the encoding.
//
// A ciphertext belongs to its task. The ring refuses one that was changed, or moved to a
// task with another ID, type or queue, or with other encodings before this one. To move a
// task to another queue for good, decrypt it first, and encrypt it again once it names
// its new queue. Redrives go to the queue on which a task died, and need nothing. A
// middleware that changes the queue must come before ring.Enqueue. The queue is the one
// in the envelope: on a dead letter queue, the queue on which the task died.
//
// The rest of the envelope is readable: type, queue, metadata, group key and unique key.
// Generated code makes the unique key a hash of the fields it derives from, so anyone who
// can guess the fields can check the guess. The notes of runtime.Progress are readable,
// and so are the texts of handlers' errors: retries and dead letters keep them in the
// metadata, and result stores keep them instead of a result.
//
// # Strict rings
//
// A task that is not marked as encrypted passes, so that encryption can be introduced
// while tasks are on the queue. Anyone who can write to the broker can therefore still
// enqueue plain tasks. Once everything is encrypted, make the ring strict with
// [RequireAll] or, type by type, with [Require]. It then refuses tasks and jobs in clear
// and, with RequireAll, results in clear. A refused task gets [ErrNotEncrypted] and dies.
// Before that, change the payloads of jobs that were stored in clear, so that they are
// sealed (schedules in annotations change themselves).
//
// A router without this middleware fails an encrypted task with an error that names the
// encoding. The task is dead lettered unharmed, and can be redriven.
//
// # Keys
//
// One key of the ring, the primary key, encrypts; all of them decrypt. To rotate keys,
// add the new key everywhere, make it the primary key everywhere, and remove the old
// one when nothing that it encrypted is left on the queues and dead letter queues and
// in the stores of jobs and results. Nonces are random, so a key must not encrypt more
// than 2^32 (4,294,967,296) payloads: beyond that two nonces may be equal, which would
// break it. Rotate well before that.
//
// # Format
//
// The payload is a byte 0, a byte 1 for the version, one byte with the length of the
// key's ID, the ID, a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes. The
// additional data are five texts, each after its length in 4 bytes, most significant
// first: the kind ("task"; "job" in a job store, where the ID is the job's; "result" in a
// result store, with neither type nor queue), the task's ID, type and queue, and the
// encodings before this one as in the envelope.
//
// Tasks of the previous version are still read, even by strict rings, but never written.
// They begin with the length of the key's ID, which is not 0, and their additional data
// are only ID and type. Workers must know the current version before producers write it:
// older workers take it for an unknown key, and retry.
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
	"github.com/taskgen/taskgen/runtime/driver"
)

// Encoding is the mark of an encrypted payload in Task.Encoding.
const Encoding = "aes-gcm"

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrUnknownKey: the payload was encrypted with a key that is not on the ring. It is
// retried like any failure, because the key may be deployed soon.
var ErrUnknownKey = errors.New("encrypt: unknown key")

// ParseKey reads a key of 32 bytes from its base64 form, in the standard or the URL
// alphabet, with or without padding. It ignores white space around the key. Its errors do
// not show the key.
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

// ErrNotEncrypted: a task is in clear, and the ring requires its type to be encrypted.
// The error also wraps [runtime.ErrInvalidTask]: it is not retried.
var ErrNotEncrypted = errors.New("encrypt: not encrypted")

// A KeyRing encrypts payloads at enqueue and decrypts them for the handler. It is safe
// for concurrent use. It prints as the IDs of its keys.
type KeyRing struct {
	primary string
	keys    map[string]cipher.AEAD
	// What is refused in clear.
	requireAll bool
	required   map[string]bool // by type
}

var _ driver.Sealer = (*KeyRing)(nil)

// An Option changes a KeyRing.
type Option func(*KeyRing)

// Require makes the ring refuse tasks of the given types that are not encrypted.
// [KeyRing.Handle] knows the aliases of a type on its router, and also refuses tasks
// under those. [KeyRing.Decrypt] and job stores know no aliases: name them here too.
func Require(types ...string) Option {
	return func(r *KeyRing) {
		for _, t := range types {
			r.required[t] = true
		}
	}
}

// RequireAll makes the ring refuse all tasks and results that are not encrypted.
func RequireAll() Option { return func(r *KeyRing) { r.requireAll = true } }

// NewKeyRing returns a ring of keys by ID. The primary key encrypts, every key decrypts.
// IDs have 1 to 255 bytes and are stored in clear; keys have [KeySize] bytes and are
// copied. Without options the ring accepts tasks that are not encrypted.
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

// GoString returns the same text as String.
func (r *KeyRing) GoString() string { return r.String() }

// Enqueue is the [runtime.EnqueueMiddleware]. It passes on copies of the tasks with
// encrypted payloads. A task that is already encrypted passes unchanged, so that a task
// taken off a queue can be enqueued there again under its ID. The returned Enqueuer is a
// [driver.Sealer].
func (r *KeyRing) Enqueue(next runtime.Enqueuer) runtime.Enqueuer { return &enqueuer{r, next} }

type enqueuer struct {
	ring *KeyRing
	next runtime.Enqueuer
}

var _ driver.Sealer = (*enqueuer)(nil)

func (e *enqueuer) Enqueue(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
	passed := make([]*runtime.Task, len(tasks))
	for i, t := range tasks {
		passed[i] = e.ring.Encrypt(t)
	}
	return e.next.Enqueue(ctx, passed)
}

func (e *enqueuer) Seal(t *runtime.Task) (*runtime.Task, error)   { return e.ring.Seal(t) }
func (e *enqueuer) Unseal(t *runtime.Task) (*runtime.Task, error) { return e.ring.Unseal(t) }

// Handle is the [runtime.Middleware]. It passes on a copy of the task with the payload
// decrypted, so that retries and the dead letter queue keep the task encrypted. It also
// encrypts the task's result for the result store. A task that is not marked passes
// unchanged, unless the ring requires its type.
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

// Decrypt returns t when its last encoding is not [Encoding], else a copy with the
// payload decrypted. The error wraps [ErrUnknownKey] if the ring lacks the key,
// [runtime.ErrInvalidTask] if the ciphertext was changed or belongs to another task or
// queue, and [ErrNotEncrypted] if the payload is in clear and the ring requires
// encryption.
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

// requires reports whether a type must be encrypted under one of the names that it has on
// the router of the context's handler.
func (r *KeyRing) requires(ctx context.Context, taskType string) bool {
	if r.required[taskType] || len(r.required) == 0 {
		return r.required[taskType]
	}
	info, _ := runtime.TaskFromContext(ctx)
	policy := info.Policy
	return r.required[policy.Type] || slices.ContainsFunc(policy.Aliases, func(name string) bool { return r.required[name] })
}

func inClear(kind string, t *runtime.Task) error {
	return fmt.Errorf("%w: %w: %s is in clear, and the key ring requires it to be encrypted", runtime.ErrInvalidTask, ErrNotEncrypted, subject(kind, t))
}
