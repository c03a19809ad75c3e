package driver

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anyTask draws a valid task whose payload is compact JSON.
func anyTask(rt *rapid.T) *Task {
	text := rapid.StringMatching(`[ -~é世\x{1F600}\x{2028}\x{2029}\x00-\x1f"\\<>&\x7f]{0,12}`)
	some := rapid.StringN(1, 12, -1)
	at := rapid.Custom(func(rt *rapid.T) time.Time {
		zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(rt, "zone")*3600)
		return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(rt, "s"), rapid.Int64Range(0, 999_999_999).Draw(rt, "ns")).In(zone)
	})
	natural := rapid.IntRange(0, math.MaxInt)
	long := rapid.Map(rapid.Int64Range(0, int64(100*365*24*time.Hour)), func(n int64) time.Duration { return time.Duration(n) })
	t := &Task{
		ID: some.Draw(rt, "id"), Type: some.Draw(rt, "type"), Queue: some.Draw(rt, "queue"),
		Priority: natural.Draw(rt, "priority"), GroupKey: text.Draw(rt, "group"), UniqueKey: text.Draw(rt, "unique"),
		Metadata: rapid.MapOf(text, text).Draw(rt, "metadata"), CreatedAt: at.Draw(rt, "created"),
		MaxRetries: natural.Draw(rt, "max"), RetryCount: natural.Draw(rt, "count"), Timeout: long.Draw(rt, "timeout"),
		SchemaVersion: natural.Draw(rt, "version"),
	}
	if rapid.Bool().Draw(rt, "shaped") {
		t.Shape = rapid.StringMatching(`[0-9a-f]{12}`).Draw(rt, "shape")
	}
	if rapid.Bool().Draw(rt, "scheduled") {
		t.ScheduledFor = at.Draw(rt, "due")
	}
	if t.UniqueKey != "" {
		t.UniqueFor = long.Draw(rt, "for")
	}
	if rapid.Bool().Draw(rt, "encoded") {
		t.Encoding, t.Payload = "zstd", rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")
		return t
	}
	payload, err := json.Marshal(rapid.MapOf(text, rapid.SliceOf(rapid.Float64Range(-1e9, 1e9))).Draw(rt, "payload"))
	require.NoError(rt, err)
	t.Payload = payload
	return t
}

// travelled is what a task looks like once it has been through an envelope.
func travelled(t *Task) *Task {
	c := t.Clone()
	c.checked = nil
	c.CreatedAt, c.ScheduledFor = t.CreatedAt.UTC(), t.ScheduledFor.UTC()
	c.Timeout = (t.Timeout + time.Millisecond - 1) / time.Millisecond * time.Millisecond
	c.UniqueFor = (t.UniqueFor + time.Millisecond - 1) / time.Millisecond * time.Millisecond
	c.Metadata = maps.Clone(t.Metadata)
	if len(c.Metadata) == 0 {
		c.Metadata = nil
	}
	return c
}

func requireSameTask(t require.TestingT, want, got *Task) {
	require.True(t, want.CreatedAt.Equal(got.CreatedAt) && want.ScheduledFor.Equal(got.ScheduledFor), "want %v and %v, got %v and %v",
		want.CreatedAt, want.ScheduledFor, got.CreatedAt, got.ScheduledFor)
	require.Equal(t, string(want.Payload), string(got.Payload))
	a, b := *want, *got
	a.CreatedAt, a.ScheduledFor, a.Payload = b.CreatedAt, b.ScheduledFor, b.Payload
	require.Equal(t, a, b)
}

func TestEnvelopeEqualsThatOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		task := anyTask(rt)
		require.NoError(rt, task.Validate())
		require.Equal(rt, string(refEncode(t, task)), string(AppendEnvelope(nil, task)))
	})
}

func TestEnvelopeBringsBackTheTask(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		task := anyTask(rt)
		data := AppendEnvelope([]byte("before"), task)
		require.Equal(rt, "before", string(data[:6]))
		got, err := DecodeEnvelope(data[6:])
		require.NoError(rt, err)
		requireSameTask(rt, travelled(task), got)
		ref, err := refDecode(data[6:])
		require.NoError(rt, err)
		requireSameTask(rt, ref, got)
	})
}

func TestDecodedTaskSharesNothingWithItsInput(t *testing.T) {
	data := []byte(`{"v":1,"id":"a","type":"b","queue":"c","payload":{"d":1},"metadata":{"e":"f"}}`)
	task, err := DecodeEnvelope(data)
	require.NoError(t, err)
	clear(data)
	task.Payload = append(task.Payload[:0], `{"D":22222222222222222}`...)
	want := &Task{ID: "a", Type: "b", Queue: "c", Payload: []byte(`{"D":22222222222222222}`), Metadata: map[string]string{"e": "f"}}
	assert.Equal(t, want, task)
}

func TestDecodeSurvivesNesting(t *testing.T) {
	nested := func(depth int) []byte {
		return []byte(`{"v":1,"id":"a","type":"b","queue":"c","payload":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`)
	}
	_, err := DecodeEnvelope(nested(maxNesting))
	require.NoError(t, err)
	for _, depth := range []int{maxNesting + 1, 1_000_000} {
		_, err := DecodeEnvelope(nested(depth))
		require.ErrorIs(t, err, ErrInvalidTask)
		require.ErrorContains(t, err, "nested deeper than 10000 levels")
	}
	_, err = DecodeEnvelope([]byte(`{"unknown":` + strings.Repeat(`{"":`, 1_000_000)))
	require.ErrorIs(t, err, ErrInvalidTask)
}

func TestDecodeSaysWhere(t *testing.T) {
	_, err := DecodeEnvelope([]byte(`{"v":1,"id":"a","priority":x}`))
	require.EqualError(t, err, `taskgen: invalid task: envelope: "priority": 'x' stands where a whole number is due, at byte 27`)
}

func TestDecodeRefusesEveryPartOfAnEnvelope(t *testing.T) {
	task := benchTask(100)
	task.Payload, task.Encoding = []byte("some bytes"), "zstd"
	for _, data := range [][]byte{AppendEnvelope(nil, task), AppendEnvelope(nil, benchTask(20))} {
		for n := range data {
			_, err := DecodeEnvelope(data[:n])
			require.ErrorIs(t, err, ErrInvalidTask, "%s", data[:n])
		}
	}
}

func TestEnvelopeRoundsDurationsUp(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		1: time.Millisecond, time.Millisecond: time.Millisecond, time.Millisecond + 1: 2 * time.Millisecond,
		1<<63 - 1: time.Duration(maxMilliseconds) * time.Millisecond,
	} {
		task := benchTask(20)
		task.Timeout, task.UniqueKey, task.UniqueFor = d, "k", d
		got, err := DecodeEnvelope(AppendEnvelope(nil, task))
		require.NoError(t, err)
		assert.Equal(t, want, got.Timeout)
		assert.Equal(t, want, got.UniqueFor)
	}
}

func TestEnvelopeCutsWhiteSpaceAroundThePayload(t *testing.T) {
	task := benchTask(20)
	task.Payload = []byte(" \n{ \"a\": 1 }\t\r\n ")
	require.NoError(t, task.Validate())
	got, err := DecodeEnvelope(AppendEnvelope(nil, task))
	require.NoError(t, err)
	assert.Equal(t, `{ "a": 1 }`, string(got.Payload))
}

func TestAppendEnvelopeAllocatesNothing(t *testing.T) {
	plain, encoded := benchTask(1000), benchTask(20)
	encoded.Payload, encoded.Encoding = []byte("some bytes"), "zstd"
	plain.Shape, encoded.Shape = "0123456789ab", "0123456789ab"
	room := make([]byte, 0, 4096)
	for _, task := range []*Task{plain, encoded} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { room = AppendEnvelope(room[:0], task) }))
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { AppendEnvelope(nil, plain) }), 2.0, "dst grows once; the race detector adds one")
}

func TestDecodeEnvelopeAllocatesLittle(t *testing.T) {
	task := benchTask(1000)
	task.Metadata, task.Shape = nil, "0123456789ab"
	data := AppendEnvelope(nil, task)
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = DecodeEnvelope(data) }), 2.0, "the task and one copy of data")
}
