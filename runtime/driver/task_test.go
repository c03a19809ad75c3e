package driver

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTaskIsDueWhenScheduledElseWhenCreated(t *testing.T) {
	task := &Task{CreatedAt: time.Unix(1, 0)}
	assert.Equal(t, time.Unix(1, 0), task.DueAt())
	task.ScheduledFor = time.Unix(2, 0)
	assert.Equal(t, time.Unix(2, 0), task.DueAt())
}

func TestCloneSharesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		task := anyTask(rt)
		clone := task.Clone()
		requireSameTask(rt, task, clone)
		before := string(AppendEnvelope(nil, task))
		clear(clone.Payload)
		clone.Metadata["new"] = "entry"
		require.Equal(rt, before, string(AppendEnvelope(nil, task)))
	})
	assert.Equal(t, &Task{}, (&Task{}).Clone())
}

func TestValidateSaysWhatKeepsATaskFromTravelling(t *testing.T) {
	for says, change := range map[string]func(*Task){
		"the task has no ID":                      func(t *Task) { t.ID = "" },
		"task a has no type":                      func(t *Task) { t.Type = "" },
		"task a (t) names no queue":               func(t *Task) { t.Queue = "" },
		"priority -1 is below 0":                  func(t *Task) { t.Priority = -1 },
		"negative retry numbers (0 of -1)":        func(t *Task) { t.MaxRetries = -1 },
		"negative retry numbers (-1 of 0)":        func(t *Task) { t.RetryCount = -1 },
		"schema version -1 is below 0":            func(t *Task) { t.SchemaVersion = -1 },
		`shape "0123456789a" is not 12`:           func(t *Task) { t.Shape = "0123456789a" },
		`shape "0123456789abc" is not 12`:         func(t *Task) { t.Shape = "0123456789abc" },
		`shape "0123456789AB" is not 12`:          func(t *Task) { t.Shape = "0123456789AB" },
		"is not 12 hexadecimal digits":            func(t *Task) { t.Shape = "0123456789a/" },
		"in lower case":                           func(t *Task) { t.Shape = ":123456789ag" },
		"a negative duration":                     func(t *Task) { t.Timeout = -1 },
		"(t): a negative duration":                func(t *Task) { t.UniqueKey, t.UniqueFor = "k", -1 },
		"UniqueFor is set and UniqueKey is not":   func(t *Task) { t.UniqueFor = 1 },
		"outside of the years 1 to 9999":          func(t *Task) { t.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a time outside of the years 1 to 9999":   func(t *Task) { t.ScheduledFor = time.Time{}.Add(-1) },
		`"\xff" is not valid UTF-8`:               func(t *Task) { t.GroupKey = "\xff" },
		`metadata "\xff" is not valid UTF-8`:      func(t *Task) { t.Metadata = map[string]string{"\xff": ""} },
		`metadata "k" is not valid UTF-8`:         func(t *Task) { t.Metadata = map[string]string{"k": "\xff"} },
		"not valid JSON: the JSON ends":           func(t *Task) { t.Payload = nil },
		"not valid JSON: 'x' stands":              func(t *Task) { t.Payload = []byte("[1,x]") },
		"not valid JSON: it is not valid UTF-8":   func(t *Task) { t.Payload = []byte("\"\xff\"") },
		"'2' stands where the end is due":         func(t *Task) { t.Payload = []byte("1 2") },
		"nested deeper than 10000 levels":         func(t *Task) { t.Payload = []byte(strings.Repeat("[", 20_000)) },
		"a digit is due":                          func(t *Task) { t.Payload = []byte("-") },
		"'e' stands where a digit is due":         func(t *Task) { t.Payload = []byte("1.e5") },
		"where a digit is due, at byte 3":         func(t *Task) { t.Payload = []byte("1e+") },
		"a bad escape in a string":                func(t *Task) { t.Payload = []byte(`"\u12G4"`) },
		"bad escape in a string, at byte 1":       func(t *Task) { t.Payload = []byte(`"\`) },
		"'t' stands where a JSON value is due":    func(t *Task) { t.Payload = []byte("trve") },
		"where a colon is due":                    func(t *Task) { t.Payload = []byte(`{"a" 1}`) },
		"where a key is due":                      func(t *Task) { t.Payload = []byte(`{1:1}`) },
		"the JSON ends where the end of a string": func(t *Task) { t.Payload = []byte(`"abcdefgh`) },
	} {
		t.Run(says, func(t *testing.T) {
			task := &Task{ID: "a", Type: "t", Queue: "q", Payload: []byte("1")}
			require.NoError(t, task.Validate())
			change(task)
			err := task.Validate()
			require.ErrorIs(t, err, ErrInvalidTask)
			assert.ErrorContains(t, err, says)
		})
	}
	var none *Task
	require.ErrorIs(t, none.Validate(), ErrInvalidTask)
}

func TestEncodedPayloadNeedNotBeJSON(t *testing.T) {
	task := &Task{ID: "a", Type: "t", Queue: "q", Payload: []byte("\xff"), Encoding: "zstd"}
	require.NoError(t, task.Validate())
}

// What Validate takes can be written and read, whatever it is.
func TestWhatIsValidTravels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		task := &Task{
			ID: "a", Type: "t", Queue: "q", Payload: rapid.SliceOf(rapid.SampledFrom([]byte(" \n[]{}\",:0-1.e\\u\xc3\xa9tnull"))).Draw(rt, "payload"),
			GroupKey:  string(rapid.SliceOf(rapid.Byte()).Draw(rt, "group")),
			CreatedAt: time.Unix(rapid.Int64Range(math.MinInt64/8, math.MaxInt64/8).Draw(rt, "s"), 0),
			Timeout:   time.Duration(rapid.Int64().Draw(rt, "timeout")),
		}
		if rapid.Bool().Draw(rt, "JSON") {
			task.Payload = []byte("[1]")
		}
		err := task.Validate()
		got, decodeErr := DecodeEnvelope(AppendEnvelope(nil, task))
		if err == nil {
			require.NoError(rt, decodeErr)
			require.NoError(rt, got.Validate())
		}
	})
}

func TestEncodingsAreAListUndoneFromItsEnd(t *testing.T) {
	plain := &Task{ID: "a", Payload: []byte("p"), Shape: "0123456789ab", Metadata: map[string]string{"k": "v"}}
	assert.Empty(t, plain.LastEncoding())
	once := plain.Encoded("zstd", []byte("z"))
	assert.Equal(t, "zstd", once.LastEncoding())
	assert.Equal(t, plain.Shape, once.Shape)
	twice := once.Encoded("aes-gcm", []byte("g"))
	assert.Equal(t, "zstd,aes-gcm", twice.Encoding)
	assert.Equal(t, "aes-gcm", twice.LastEncoding())
	assert.Equal(t, once, twice.Decoded([]byte("z")))
	assert.Equal(t, plain, once.Decoded([]byte("p")))
	assert.Equal(t, &Task{ID: "a", Payload: []byte("p"), Shape: "0123456789ab", Metadata: map[string]string{"k": "v"}}, plain)
}

func TestShallowSeesDepthWithoutReading(t *testing.T) {
	assert.True(t, shallow([]byte(strings.Repeat("[", 20_000))), "too short to be valid and deep")
	assert.False(t, shallow([]byte(strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001))))
	assert.True(t, shallow(fmt.Appendf(nil, "%q", strings.Repeat("a", 100_000))))
}

func TestSetJSONSparesValidationTheReading(t *testing.T) {
	task := &Task{ID: "a", Type: "t", Queue: "q"}
	SetJSON(task, []byte("no JSON"))
	require.NoError(t, task.Validate())
	require.NoError(t, task.Clone().Validate())
	task.Payload = []byte("no JSON")
	require.ErrorIs(t, task.Validate(), ErrInvalidTask, "another payload")
	for _, unread := range []string{strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "\"\xff\""} {
		SetJSON(task, []byte(unread))
		require.ErrorIs(t, task.Validate(), ErrInvalidTask)
	}
}
