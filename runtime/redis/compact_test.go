package redis

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// everyField are tasks that have all fields between them, and extreme values.
func everyField() []*driver.Task {
	at := time.Date(2026, 3, 1, 10, 20, 30, 123456789, time.FixedZone("", 3600))
	const id, idBeyondNanoseconds = "019ca8b2-3fd3-7de6-b23d-f365005ad5af", "ffffffff-ffff-7de6-b23d-f365005ad5af"
	created, ok := timeOfID(id)
	if !ok {
		panic("no time in a UUID of version 7")
	}
	return []*driver.Task{
		{ID: "a", Type: "t", Queue: "q", Payload: []byte(`{"n":1}`)},
		{ID: "a", Type: "t", Queue: "q", Payload: []byte(" null\n"), CreatedAt: at, MaxRetries: 25},
		{
			ID: "a", Type: "é", Queue: "q", Payload: []byte(`"x"`), Priority: 300, GroupKey: "g", UniqueKey: "u", UniqueFor: time.Microsecond,
			Metadata: map[string]string{"b": "2", "a": "", "": "x"}, CreatedAt: at, ScheduledFor: at.Add(time.Hour),
			MaxRetries: math.MaxInt, RetryCount: 7, Timeout: math.MaxInt64, SchemaVersion: 2, Shape: "00fe5a9d0b1c",
		},
		{ID: "a", Type: "t", Queue: "q", Payload: []byte{0, ' ', 0xff, '\n'}, Encoding: "zstd,aes-gcm", CreatedAt: time.Unix(0, -1)},
		{ID: id, Type: "t", Queue: "q", Payload: []byte(`1`), CreatedAt: time.Unix(0, created), Timeout: 90 * time.Second, UniqueKey: "u", UniqueFor: 1500 * time.Millisecond},
		{ID: id, Type: "t", Queue: "q", Payload: []byte(`1`), CreatedAt: time.Unix(0, created-1).Add(time.Second)},
		{ID: id, Type: "t", Queue: "q", Payload: []byte(`1`), CreatedAt: time.Unix(0, created+1).Add(-time.Second)},
		{ID: id, Type: "t", Queue: "q", Payload: []byte(`1`), CreatedAt: time.Unix(0, created).Add(time.Second), Timeout: time.Millisecond},
		{ID: idBeyondNanoseconds, Type: "t", Queue: "q", Payload: []byte(`1`), CreatedAt: at},
		{ID: "a", Type: "t", Queue: "q", Payload: []byte(`1`), CreatedAt: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), ScheduledFor: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
}

// idAt is an ID that the runtime could have made at a time.
func idAt(at time.Time) string {
	id := uuid.Must(uuid.NewV7())
	binary.BigEndian.PutUint32(id[:4], uint32(at.UnixMilli()>>16))
	binary.BigEndian.PutUint16(id[4:6], uint16(at.UnixMilli()))
	return id.String()
}

func TestACompactTaskIsReadAsItsEnvelopeWouldBe(t *testing.T) {
	for _, task := range everyField() {
		want, err := driver.DecodeEnvelope(driver.AppendEnvelope(nil, task))
		require.NoError(t, err)
		for _, compact := range []bool{false, true} {
			p := &Provider{compact: compact}
			got, err := decodeTask(string(p.appendTask(nil, task)), task.ID, "q")
			require.NoError(t, err)
			assert.Equal(t, want, got, "compact %v", compact)
		}
	}
}

func TestACompactTaskThatIsCutOffIsInvalidOrOneWithAShorterPayload(t *testing.T) {
	for _, task := range everyField() {
		value := string(appendCompact(nil, task))
		for n := 1; n < len(value); n++ {
			got, err := decodeTask(value[:n], task.ID, "q")
			if err != nil {
				require.ErrorIs(t, err, driver.ErrInvalidTask)
				continue
			}
			require.GreaterOrEqual(t, n, len(value)-len(task.Payload))
			require.Equal(t, task.Type, got.Type)
		}
	}
}

func TestACompactTaskAddsFewBytesToItsTypeAndPayload(t *testing.T) {
	now := time.Now()
	task := &driver.Task{ID: idAt(now), Type: "noop", Queue: "q", Payload: []byte(`{}`), CreatedAt: now, MaxRetries: 3, Timeout: time.Minute, SchemaVersion: 1}
	assert.LessOrEqual(t, len(appendCompact(nil, task))-len(task.Type)-len(task.Payload), 10)
	task.Shape = "00fe5a9d0b1c"
	assert.LessOrEqual(t, len(appendCompact(nil, task))-len(task.Type)-len(task.Payload), 38)
}

// A version of the package that knows no shapes reads what this one writes, and this one what
// that one makes of it: the metadata is all that it keeps.
func TestTheShapeOfACompactTaskOutlivesAVersionThatKnowsNone(t *testing.T) {
	for _, metadata := range []map[string]string{nil, {"a": "1", "z": ""}} {
		task := &driver.Task{ID: "a", Type: "t", Queue: "q", Payload: []byte(`1`), Shape: "00fe5a9d0b1c", Metadata: metadata}
		value := appendCompact(nil, task)
		old := task.Clone()
		old.Shape = ""
		old.Metadata = map[string]string{metaShape: task.Shape}
		maps.Copy(old.Metadata, metadata)
		assert.Len(t, value, len(appendCompact(nil, old)), "it has no field that the old version does not know")
		for _, stored := range [][]byte{value, appendCompact(nil, old), driver.AppendEnvelope(nil, old)} {
			got, err := decodeTask(string(stored), "a", "q")
			require.NoError(t, err)
			assert.Equal(t, task.Shape, got.Shape)
			assert.Equal(t, metadata, got.Metadata)
		}
	}
	own := &driver.Task{ID: "a", Type: "t", Queue: "q", Payload: []byte(`1`), Metadata: map[string]string{metaShape: "a circle"}}
	got, err := decodeTask(string(driver.AppendEnvelope(nil, own)), "a", "q")
	require.NoError(t, err)
	assert.Equal(t, own, got, "what has not the form of a shape is metadata")
}

func TestTheEarlierCompactFormIsRefused(t *testing.T) {
	value := appendCompact(nil, everyField()[0])
	value[0] = '\x01' // in that form the bits mean other fields
	_, err := decodeTask(string(value), "a", "q")
	require.ErrorIs(t, err, driver.ErrInvalidTask)
}

func TestTheTimeOfAnIDIsReadWithoutAllocation(t *testing.T) {
	id := idAt(time.Now())
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = timeOfID(id) }))
}

func FuzzDecodeTask(f *testing.F) {
	for _, task := range everyField() {
		f.Add(string(appendCompact(nil, task)[1:]), task.ID)
	}
	f.Fuzz(func(t *testing.T, value, id string) {
		got, err := decodeTask(string(compactMark)+value, id, "q")
		if err != nil {
			require.ErrorIs(t, err, driver.ErrInvalidTask)
			return
		}
		require.NoError(t, got.Validate())
		if got.Encoding == "" {
			got.Payload = bytes.Trim(got.Payload, " \t\r\n")
		}
		again, err := decodeTask(string(appendCompact(nil, got)), id, "q")
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func TestTheAgeOfACompactTaskIsKnown(t *testing.T) {
	for _, cfg := range kinds {
		if cfg.Type == driver.FIFO {
			continue // the age there is that of the group's turn
		}
		t.Run(cfg.Name, func(t *testing.T) {
			q := openQueue(t, open(t, sharedURL(t), WithCompactTasks()), cfg)
			ts := fitting(cfg, "", 1)
			ts[0].CreatedAt = time.Now().Add(-time.Hour)
			ts[0].ID = idAt(ts[0].CreatedAt)
			enqueue(t, q, ts...)
			s, err := q.Stats(within(t))
			require.NoError(t, err)
			assert.InDelta(t, time.Hour.Minutes(), s.OldestAge.Minutes(), 10)
		})
	}
}

func TestCompactTasksAndEnvelopesStandOnOneQueue(t *testing.T) {
	for _, cfg := range kinds {
		t.Run(cfg.Name, func(t *testing.T) {
			url := sharedURL(t)
			usual, compact := openQueue(t, open(t, url), cfg), openQueue(t, open(t, url, WithCompactTasks()), cfg)
			enqueue(t, usual, fitting(cfg, "usual", 2)...)
			enqueue(t, compact, fitting(cfg, "compact", 2)...)
			body, err := usual.p.client.HGetAll(within(t), usual.keyspace.key(keyBody)).Result()
			require.NoError(t, err)
			marks := 0
			for _, value := range body {
				marks += strings.Count(value[:1], string(compactMark))
			}
			require.Equal(t, 2, marks)
			for _, q := range []*queue{usual, compact} {
				found, _, err := q.Browse(within(t), driver.Ready, "", 10)
				require.NoError(t, err)
				require.Len(t, found, 4)
				for _, task := range found {
					assert.Equal(t, []byte(`{"n":1}`), []byte(task.Payload))
					assert.Equal(t, cfg.Name, task.Queue)
				}
			}
			for range 4 {
				ds := take(t, usual, 1)
				require.NoError(t, compact.Release(within(t), ds))
				ds = take(t, compact, 1)
				require.NoError(t, usual.DeadLetter(within(t), ds))
			}
			back, err := compact.Redrive(within(t), nil)
			require.NoError(t, err)
			assert.Len(t, back, 4)
		})
	}
}
