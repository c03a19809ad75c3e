package compress_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/compress"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCompressor(t require.TestingT, cfg compress.Config) *compress.Compressor {
	c, err := compress.New(cfg)
	require.NoError(t, err)
	return c
}

func taskOf(payload string) *runtime.Task {
	return &runtime.Task{ID: "a", Type: "t", Queue: "q", Payload: []byte(payload), Metadata: map[string]string{"k": "v"}}
}

func text(n int) string { return `"` + strings.Repeat("word ", n/5) + `"` }

// through enqueues a task through the middleware and returns what reaches the
// queue.
func through(t require.TestingT, mw runtime.EnqueueMiddleware, task *runtime.Task) *runtime.Task {
	var got *runtime.Task
	end := runtime.EnqueuerFunc(func(_ context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		require.Len(t, tasks, 1)
		got = tasks[0]
		return make([]runtime.Enqueued, 1), nil
	})
	_, err := mw(end).Enqueue(context.Background(), []*runtime.Task{task})
	require.NoError(t, err)
	return got
}

// handled runs the middleware over a task and returns what reaches the handler.
func handled(mw runtime.Middleware, task *runtime.Task) (got *runtime.Task, err error) {
	err = mw(runtime.HandlerFunc(func(_ context.Context, t *runtime.Task) error {
		got = t
		return nil
	})).Handle(context.Background(), task)
	return got, err
}

func TestLargePayloadTravelsCompressedAndArrivesWhole(t *testing.T) {
	c := newCompressor(t, compress.Config{})
	task := taskOf(text(10_000))
	before := *task
	sent := through(t, c.Enqueue, task)
	assert.Equal(t, before, *task, "the task that is enqueued stays as it is")
	assert.Equal(t, "zstd", sent.Encoding)
	assert.Less(t, len(sent.Payload), 500)
	require.NoError(t, sent.Validate())

	travelled, err := driver.DecodeEnvelope(driver.AppendEnvelope(nil, sent))
	require.NoError(t, err)
	compressed := bytes.Clone(travelled.Payload)
	got, err := handled(c.Handle, travelled)
	require.NoError(t, err)
	assert.Equal(t, task, got)
	assert.Equal(t, "zstd", travelled.Encoding, "a retry must find the task as it came")
	assert.Equal(t, compressed, travelled.Payload)
}

func TestPayloadTravelsAsItIs(t *testing.T) {
	noise := make([]byte, 5000)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	quoted, err := json.Marshal(noise)
	require.NoError(t, err)
	c := newCompressor(t, compress.Config{MaxSize: 20_000})
	encoded := taskOf(text(5000))
	encoded.Encoding = "other"
	for name, task := range map[string]*runtime.Task{
		"below the threshold":      taskOf(text(compress.DefaultThreshold - 10)),
		"not smaller as base64":    taskOf(string(quoted)),
		"above MaxSize":            taskOf(text(20_001)),
		"encoded by somebody":      encoded,
		"a small one, and no more": taskOf("1"),
	} {
		t.Run(name, func(t *testing.T) {
			sent := through(t, c.Enqueue, task)
			assert.Same(t, task, sent)
			if task.Encoding == "" {
				got, err := handled(c.Handle, sent)
				require.NoError(t, err)
				assert.Same(t, task, got)
			}
		})
	}
}

func TestEveryPayloadArrives(t *testing.T) {
	c := newCompressor(t, compress.Config{Threshold: 1, MaxSize: 3000})
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "bb", "é", "\n", "words", "0123456789"}), 0, 1000).Draw(rt, "words")
		payload, err := json.Marshal(strings.Join(words, ""))
		require.NoError(rt, err)
		sent := through(rt, c.Enqueue, taskOf(string(payload)))
		got, err := handled(c.Handle, sent)
		require.NoError(rt, err)
		require.Equal(rt, string(payload), string(got.Payload))
		require.Empty(rt, got.Encoding)
		require.LessOrEqual(rt, len(driver.AppendEnvelope(nil, sent)), len(driver.AppendEnvelope(nil, taskOf(string(payload)))), "never larger")
	})
}

func TestPayloadOfExactlyMaxSizeArrives(t *testing.T) {
	c := newCompressor(t, compress.Config{MaxSize: 5002})
	sent := through(t, c.Enqueue, taskOf(text(5000)))
	require.Equal(t, compress.Encoding, sent.Encoding)
	got, err := handled(c.Handle, sent)
	require.NoError(t, err)
	assert.Len(t, got.Payload, 5002)
}

func TestBombIsRefusedWithTheLimit(t *testing.T) {
	const size = 24 << 20
	known := newCompressor(t, compress.Config{MaxSize: 1 << 30}).Deflate(taskOf(text(size)))
	require.Equal(t, compress.Encoding, known.Encoding)
	var stream bytes.Buffer // says nothing about its size beforehand
	w, err := zstd.NewWriter(&stream, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	_, err = w.Write(bytes.Repeat([]byte(" "), size))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	half := newCompressor(t, compress.Config{}).Deflate(taskOf(text(9 << 20))).Payload
	for name, payload := range map[string][]byte{
		"of known size": known.Payload, "of unknown size": stream.Bytes(), "in two frames": append(bytes.Clone(half), half...),
	} {
		t.Run(name, func(t *testing.T) {
			require.Less(t, len(payload), 64<<10)
			_, err := handled(newCompressor(t, compress.Config{}).Handle, taskOf("").Encoded(compress.Encoding, payload))
			require.ErrorIs(t, err, runtime.ErrInvalidTask)
			require.ErrorContains(t, err, "more than 16777216 bytes")
		})
	}
}

func TestGarbageIsAnInvalidTask(t *testing.T) {
	c := newCompressor(t, compress.Config{})
	good := through(t, c.Enqueue, taskOf(text(5000))).Payload
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1 // in the checksum
	for _, payload := range [][]byte{[]byte("garbage"), good[:len(good)-3], flipped, append(bytes.Clone(good), "tail"...)} {
		_, err := handled(c.Handle, taskOf("").Encoded(compress.Encoding, payload))
		require.ErrorIs(t, err, runtime.ErrInvalidTask)
		require.ErrorContains(t, err, "task a (t)")
	}
}

func TestOnlyTheLastEncodingIsUndone(t *testing.T) {
	c := newCompressor(t, compress.Config{})
	sent := through(t, c.Enqueue, taskOf(text(5000)))
	outer := sent.Encoded("other", []byte("x"))
	got, err := handled(c.Handle, outer)
	require.NoError(t, err)
	assert.Same(t, outer, got, "whoever did the other has to undo it first")

	inner := taskOf("").Encoded("other", nil).Encoded(compress.Encoding, sent.Payload)
	got, err = handled(c.Handle, inner)
	require.NoError(t, err)
	assert.Equal(t, "other", got.Encoding)
}

func TestReaderWithoutTheMiddlewareIsTold(t *testing.T) {
	sent := through(t, newCompressor(t, compress.Config{}).Enqueue, taskOf(text(5000)))
	_, err := (&runtime.Spec[string]{Type: "t"}).Decode(sent)
	require.ErrorIs(t, err, runtime.ErrInvalidTask)
	require.ErrorContains(t, err, `encoded as "zstd"`)
}

func TestNegativeSizesAreRefused(t *testing.T) {
	for _, cfg := range []compress.Config{{Threshold: -1}, {MaxSize: -1}} {
		_, err := compress.New(cfg)
		require.ErrorContains(t, err, "negative")
	}
}

func BenchmarkDeflateAndInflate(b *testing.B) {
	c := newCompressor(b, compress.Config{})
	task := taskOf(text(10_000))
	b.SetBytes(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Inflate(c.Deflate(task)); err != nil {
			b.Fatal(err)
		}
	}
}
