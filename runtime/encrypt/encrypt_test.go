package encrypt

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/compress"
	"github.com/taskgen/taskgen/runtime/driver"
)

func newKey(t testing.TB) []byte {
	t.Helper()
	key := make([]byte, KeySize)
	_, err := rand.Read(key)
	require.NoError(t, err)
	return key
}

func newRing(t testing.TB, primary string, keys map[string][]byte) *KeyRing {
	t.Helper()
	r, err := NewKeyRing(primary, keys)
	require.NoError(t, err)
	return r
}

func secretTask() *runtime.Task {
	return &runtime.Task{
		ID: "a", Type: "t", Queue: "q", Payload: []byte(`{"api_key":"hunter2"}`),
		Metadata: map[string]string{"k": "v"}, MaxRetries: 3,
	}
}

func through(t testing.TB, task *runtime.Task, chain ...runtime.EnqueueMiddleware) *runtime.Task {
	t.Helper()
	var got *runtime.Task
	var to runtime.Enqueuer = runtime.EnqueuerFunc(func(_ context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		require.Len(t, tasks, 1)
		got = tasks[0]
		return make([]runtime.Enqueued, 1), nil
	})
	_, err := runtime.NewManager(runtime.ManagerConfig{Middleware: chain}).Through(to).Enqueue(t.Context(), []*runtime.Task{task})
	require.NoError(t, err)
	travelled, err := driver.DecodeEnvelope(driver.AppendEnvelope(nil, got))
	require.NoError(t, err)
	return travelled
}

func handled(task *runtime.Task, chain ...runtime.Middleware) (got *runtime.Task, err error) {
	var h runtime.Handler = runtime.HandlerFunc(func(_ context.Context, t *runtime.Task) error {
		got = t
		return nil
	})
	for i := len(chain) - 1; i >= 0; i-- {
		h = chain[i](h)
	}
	return got, h.Handle(context.Background(), task)
}

func TestPayloadTravelsEncryptedAndArrivesWhole(t *testing.T) {
	ring := newRing(t, "k1", map[string][]byte{"k1": newKey(t)})
	task := secretTask()
	sent := through(t, task, ring.Enqueue)
	assert.Equal(t, `{"api_key":"hunter2"}`, string(task.Payload), "the task that is enqueued stays as it is")
	assert.Equal(t, "aes-gcm", sent.Encoding)
	assert.NotContains(t, string(driver.AppendEnvelope(nil, sent)), "hunter2")

	before := sent.Clone()
	got, err := handled(sent, ring.Handle)
	require.NoError(t, err)
	assert.Equal(t, before, sent, "a retry must find the task as it came")
	task.CreatedAt = got.CreatedAt
	assert.Equal(t, task, got)
}

func TestEqualPayloadsMakeDifferentCiphertexts(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	a, b := ring.Encrypt(secretTask()), ring.Encrypt(secretTask())
	assert.NotEqual(t, a.Payload, b.Payload)
	assert.Len(t, a.Payload, len(secretTask().Payload)+3+len("k")+12+16)
}

func TestOldKeysStillDecrypt(t *testing.T) {
	oldKey, newKey := newKey(t), newKey(t)
	before := newRing(t, "old", map[string][]byte{"old": oldKey})
	during := newRing(t, "new", map[string][]byte{"old": oldKey, "new": newKey})
	after := newRing(t, "new", map[string][]byte{"new": newKey})
	first, second := through(t, secretTask(), before.Enqueue), through(t, secretTask(), during.Enqueue)
	for _, task := range []*runtime.Task{first, second} {
		got, err := during.Decrypt(task)
		require.NoError(t, err)
		assert.Equal(t, secretTask().Payload, got.Payload)
	}
	_, err := after.Decrypt(second)
	require.NoError(t, err)
	_, err = after.Decrypt(first)
	require.ErrorIs(t, err, ErrUnknownKey)
	require.EqualError(t, err, `encrypt: unknown key: the payload of task a (t) needs the key "old", and the ring has ["new"]`)
	assert.True(t, runtime.DefaultRetryable(err), "the key may be on its way")
}

func TestChangedOrMovedCiphertextIsAnInvalidTask(t *testing.T) {
	ring := newRing(t, "key", map[string][]byte{"key": newKey(t)})
	other := newRing(t, "key", map[string][]byte{"key": newKey(t)})
	sent := through(t, secretTask(), ring.Enqueue)
	refused := func(name string, change func(*runtime.Task)) {
		t.Run(name, func(t *testing.T) {
			c := sent.Clone()
			change(c)
			got, err := handled(c, ring.Handle)
			require.Nil(t, got)
			require.ErrorIs(t, err, runtime.ErrInvalidTask)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
	for i := 3 + len("key"); i < len(sent.Payload); i++ {
		refused(fmt.Sprint("bit of byte ", i), func(c *runtime.Task) { c.Payload[i] ^= 1 })
	}
	for n := range sent.Payload {
		c := sent.Clone()
		c.Payload = c.Payload[:n]
		_, err := ring.Decrypt(c)
		require.ErrorIs(t, err, runtime.ErrInvalidTask, "cut to %d bytes", n)
	}
	refused("longer", func(c *runtime.Task) { c.Payload = append(c.Payload, 0) })
	refused("other ID", func(c *runtime.Task) { c.ID = "b" })
	refused("other type", func(c *runtime.Task) { c.Type = "u" })
	refused("ID and type shifted", func(c *runtime.Task) { c.ID, c.Type = "at", "" })
	refused("other queue", func(c *runtime.Task) { c.Queue = "p" })
	refused("type and queue shifted", func(c *runtime.Task) { c.Type, c.Queue = "tq", "" })
	refused("other encodings before", func(c *runtime.Task) { c.Encoding = "zstd,aes-gcm" })
	refused("an encoding without a name before", func(c *runtime.Task) { c.Encoding = ",aes-gcm" })
	refused("format of a later version", func(c *runtime.Task) { c.Payload[1] = 2 })
	refused("format of the version before", func(c *runtime.Task) { c.Payload = c.Payload[2:] })
	refused("of a job", func(c *runtime.Task) {
		job, err := ring.Seal(secretTask())
		require.NoError(t, err)
		c.Payload = job.Payload
	})
	refused("of a result", func(c *runtime.Task) { c.Payload = ring.encryptResult(secretTask()).Payload })
	refused("other key of this ID", func(c *runtime.Task) { c.Payload = other.Encrypt(secretTask()).Payload })
	refused("key ID longer than the payload", func(c *runtime.Task) { c.Payload = []byte{255, 1} })
	refused("key ID longer than the payload, now", func(c *runtime.Task) { c.Payload = []byte{0, 1, 255, 1} })
	refused("no key ID", func(c *runtime.Task) { c.Payload = append([]byte{0, 1, 0}, c.Payload[6:]...) })
}

func TestRedrivenTaskStillDecrypts(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	sent := through(t, secretTask(), ring.Enqueue)
	sent.RetryCount = 2
	driver.RecordDeath(sent, "q", time.Now(), errors.New("x"))
	driver.ClearDeath(sent, "q-dlq")
	again := through(t, sent, ring.Enqueue)
	assert.Equal(t, "aes-gcm", again.Encoding, "it is not encrypted twice")
	got, err := ring.Decrypt(again)
	require.NoError(t, err)
	assert.Equal(t, secretTask().Payload, got.Payload)
}

func TestTaskForAnotherQueueIsEncryptedAnew(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	sent := through(t, secretTask(), ring.Enqueue)
	moved, err := ring.Decrypt(sent)
	require.NoError(t, err)
	moved.Queue = "elsewhere"
	got, err := ring.Decrypt(through(t, moved, ring.Enqueue))
	require.NoError(t, err)
	assert.Equal(t, secretTask().Payload, got.Payload)
}

// sealedBefore is how the version before encrypted.
func sealedBefore(ring *KeyRing, t *runtime.Task) *runtime.Task {
	out := append([]byte{byte(len(ring.primary))}, ring.primary...)
	return t.Encoded(Encoding, ring.keys[ring.primary].Seal(out, nil, t.Payload, texts(t.ID, t.Type)))
}

func TestTasksOfTheVersionBeforeAreRead(t *testing.T) {
	ring, err := NewKeyRing("k", map[string][]byte{"k": newKey(t)}, RequireAll())
	require.NoError(t, err)
	before := sealedBefore(ring, secretTask())
	got, err := ring.Decrypt(before)
	require.NoError(t, err)
	assert.Equal(t, secretTask().Payload, got.Payload)
	before.ID = "b"
	_, err = ring.Decrypt(before)
	require.ErrorIs(t, err, runtime.ErrInvalidTask)
	for name, open := range map[string]func(*runtime.Task) (*runtime.Task, error){"job": ring.Unseal, "result": ring.decryptResult} {
		_, err = open(sealedBefore(ring, secretTask()))
		require.ErrorIs(t, err, runtime.ErrInvalidTask, "there was no %s that was encrypted", name)
	}
}

func TestStrictRingRefusesWhatIsInClear(t *testing.T) {
	keys := map[string][]byte{"k": newKey(t)}
	some, err := NewKeyRing("k", keys, Require("u", "v"), Require("t"))
	require.NoError(t, err)
	all, err := NewKeyRing("k", keys, RequireAll())
	require.NoError(t, err)
	for _, ring := range []*KeyRing{some, all} {
		for _, encoding := range []string{"", "zstd", "aes-gcm,zstd", "aes-gcm2"} {
			task := secretTask()
			task.Encoding = encoding
			got, err := handled(task, ring.Handle)
			require.ErrorIs(t, err, ErrNotEncrypted, encoding)
			require.ErrorIs(t, err, runtime.ErrInvalidTask)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.Nil(t, got)
			_, err = ring.Decrypt(task)
			require.ErrorIs(t, err, ErrNotEncrypted)
			_, err = ring.Unseal(task)
			require.ErrorIs(t, err, ErrNotEncrypted)
		}
		got, err := handled(through(t, secretTask(), ring.Enqueue), ring.Handle)
		require.NoError(t, err)
		assert.Equal(t, secretTask().Payload, got.Payload)
		sealed, err := ring.Seal(secretTask())
		require.NoError(t, err)
		_, err = ring.Unseal(sealed)
		require.NoError(t, err)
	}
	other := secretTask()
	other.Type = "open"
	_, err = handled(other, some.Handle)
	require.NoError(t, err)
	_, err = handled(other, all.Handle)
	require.ErrorIs(t, err, ErrNotEncrypted)
}

func TestSealedJobBelongsToItsIDAndNoQueueTakesIt(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	task := secretTask()
	sealed, err := ring.Seal(task)
	require.NoError(t, err)
	assert.Equal(t, "aes-gcm", sealed.Encoding)
	assert.NotContains(t, string(sealed.Payload), "hunter2")
	again, err := ring.Seal(sealed)
	require.NoError(t, err)
	assert.Same(t, sealed, again)
	got, err := ring.Unseal(sealed)
	require.NoError(t, err)
	assert.Equal(t, task, got)
	got, err = ring.Unseal(task)
	require.NoError(t, err)
	assert.Same(t, task, got)

	_, err = ring.Decrypt(sealed)
	require.ErrorIs(t, err, runtime.ErrInvalidTask)
	_, err = ring.Unseal(ring.Encrypt(task))
	require.ErrorContains(t, err, "the payload of job a (t) does not decrypt")
	other := sealed.Clone()
	other.ID = "b"
	_, err = ring.Unseal(other)
	require.ErrorIs(t, err, runtime.ErrInvalidTask)
}

func TestManagerSealsByTheRingsOfItsMiddleware(t *testing.T) {
	a, b := newRing(t, "a", map[string][]byte{"a": newKey(t)}), newRing(t, "b", map[string][]byte{"b": newKey(t)})
	hidden := func(next runtime.Enqueuer) runtime.Enqueuer {
		return runtime.EnqueuerFunc(a.Enqueue(next).Enqueue)
	}
	for about, c := range map[string]struct {
		cfg runtime.ManagerConfig
		key string
	}{
		"none":             {runtime.ManagerConfig{}, ""},
		"seen":             {runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{a.Enqueue}}, "a"},
		"hidden":           {runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{hidden}}, ""},
		"named":            {runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{hidden}, Sealers: []driver.Sealer{a}}, "a"},
		"another is named": {runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{a.Enqueue}, Sealers: []driver.Sealer{b}}, "b"},
		"none is named":    {runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{a.Enqueue}, Sealers: []driver.Sealer{}}, ""},
	} {
		m := runtime.NewManager(c.cfg)
		sealed, err := m.Seal(secretTask())
		require.NoError(t, err)
		if c.key == "" {
			assert.Equal(t, secretTask(), sealed, about)
			continue
		}
		id, _, ok := splitKeyID(sealed.Payload[2:])
		assert.True(t, ok && id == c.key, about)
		plain, err := m.Unseal(sealed)
		require.NoError(t, err, about)
		assert.Equal(t, secretTask(), plain, about)
	}
}

func TestUnmarkedTaskPasses(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	task := secretTask()
	got, err := handled(task, ring.Handle)
	require.NoError(t, err)
	assert.Same(t, task, got)
}

func TestCompressedThenEncrypted(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	c, err := compress.New(compress.Config{})
	require.NoError(t, err)
	task := secretTask()
	task.Payload = []byte(`"` + strings.Repeat("hunter2 ", 1000) + `"`)
	sent := through(t, task, c.Enqueue, ring.Enqueue)
	assert.Equal(t, "zstd,aes-gcm", sent.Encoding)
	assert.Less(t, len(sent.Payload), 500)

	got, err := handled(sent, ring.Handle, c.Handle)
	require.NoError(t, err)
	assert.Empty(t, got.Encoding)
	assert.Equal(t, string(task.Payload), string(got.Payload))

	got, err = handled(sent, c.Handle, ring.Handle)
	require.NoError(t, err)
	assert.Equal(t, "zstd", got.Encoding)
	_, err = (&runtime.Spec[string]{Type: "t"}).Decode(got)
	require.ErrorContains(t, err, `encoded as "zstd"`)
}

func TestParseKey(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xff}, KeySize/2) // + and / in the standard alphabet, - and _ in the other
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		got, err := ParseKey(" " + enc.EncodeToString(key) + "\n")
		require.NoError(t, err)
		assert.Equal(t, key, got)
	}
	for _, bad := range []string{"", "no base64!", base64.StdEncoding.EncodeToString(key[:31]), base64.StdEncoding.EncodeToString(append(key, 1))} {
		got, err := ParseKey(bad)
		require.ErrorContains(t, err, "head -c 32 /dev/urandom | base64")
		assert.Nil(t, got)
		if bad != "" {
			assert.NotContains(t, err.Error(), bad)
		}
	}
}

func TestNewKeyRingSaysWhatIsWrong(t *testing.T) {
	key := newKey(t)
	for says, build := range map[string]func() (*KeyRing, error){
		`the primary key "a" is not among ["b"]`: func() (*KeyRing, error) { return NewKeyRing("a", map[string][]byte{"b": key}) },
		`the primary key "a" is not among []`:    func() (*KeyRing, error) { return NewKeyRing("a", nil) },
		`has 16 bytes and needs 32`:              func() (*KeyRing, error) { return NewKeyRing("a", map[string][]byte{"a": key[:16]}) },
		`the key ID "" has 0 bytes`:              func() (*KeyRing, error) { return NewKeyRing("", map[string][]byte{"": key}) },
		`has 256 bytes, and may have 1 to 255`: func() (*KeyRing, error) {
			long := strings.Repeat("k", 256)
			return NewKeyRing(long, map[string][]byte{long: key})
		},
	} {
		_, err := build()
		require.ErrorContains(t, err, says)
	}
	long := strings.Repeat("k", 255)
	ring := newRing(t, long, map[string][]byte{long: key})
	got, err := ring.Decrypt(ring.Encrypt(secretTask()))
	require.NoError(t, err)
	assert.Equal(t, secretTask().Payload, got.Payload)
}

func TestKeyRingCopiesItsKeys(t *testing.T) {
	key := newKey(t)
	ring := newRing(t, "k", map[string][]byte{"k": key})
	sent := ring.Encrypt(secretTask())
	clear(key)
	_, err := ring.Decrypt(sent)
	require.NoError(t, err)
}

func TestKeyRingPrintsNoKey(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t), "j": newKey(t)})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.Equal(t, `encrypt.KeyRing(primary "k" of ["j" "k"])`, fmt.Sprintf(verb, ring))
	}
}
