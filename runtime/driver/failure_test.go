package driver

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var died = time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("", 2*3600))

func TestRecordAttemptKeepsALineOfEachRun(t *testing.T) {
	task := &Task{}
	RecordAttempt(task, 1, "", died, 1234567*time.Nanosecond, errors.New("no\n\tanswer "))
	RecordAttempt(task, 2, "mail: er\t1", died, 0, errors.New("no"))
	assert.Equal(t, map[string]string{
		"attempt_1": "2026-03-01T10:00:00.000000005Z took 1.235ms: no answer",
		"attempt_2": "2026-03-01T10:00:00.000000005Z took 0s on mail--er-1: no",
	}, task.Metadata)
}

func TestRecordAttemptKeepsTheStacksOfTheNewestPanicsApart(t *testing.T) {
	cause := func() (err error) {
		defer func() { err = Recovered(recover()) }()
		panic("at the disco\nand elsewhere")
	}()
	task := &Task{}
	for n := 1; n <= 5; n++ {
		RecordAttempt(task, n, "w", died, 0, fmt.Errorf("job: %w", cause))
	}
	RecordDeath(task, "q", died, cause)
	assert.Equal(t, "2026-03-01T10:00:00.000000005Z took 0s on w: job: taskgen: the handler panicked: at the disco and elsewhere", task.Metadata["attempt_5"])
	assert.Equal(t, "taskgen: the handler panicked: at the disco\nand elsewhere", task.Metadata[MetaFailureReason])
	assert.NotContains(t, task.Metadata, "stack_2")
	for _, n := range []string{"3", "4", "5"} {
		stack := task.Metadata[MetaStackPrefix+n]
		assert.True(t, strings.HasPrefix(stack, "github.com/taskgen/taskgen/runtime/driver.TestRecordAttemptKeepsTheStacksOfTheNewestPanicsApart.func1"), "begins where the panic was: %s", stack)
		assert.LessOrEqual(t, len(stack), maxStack)
	}
	RecordAttempt(task, 6, "w", died, 0, errors.New("no"))
	assert.NotContains(t, task.Metadata, "stack_3", "a run without a panic counts")
	ClearDeath(task, "q-dlq")
	assert.NotContains(t, task.Metadata, "stack_4")
	assert.NotContains(t, task.Metadata, "stack_5")
}

func TestRecordAttemptKeepsTheNewestLines(t *testing.T) {
	task := &Task{Metadata: map[string]string{"attempt_of_mine": "stays"}}
	for n := 1; n <= 50; n++ {
		RecordAttempt(task, n, "", died, 0, errors.New("no"))
	}
	assert.Len(t, task.Metadata, maxAttemptsInMeta+1)
	for n := 31; n <= 50; n++ {
		assert.Contains(t, task.Metadata, fmt.Sprint("attempt_", n))
	}
	assert.Contains(t, task.Metadata, "attempt_of_mine")
}

func TestRecordDeathWritesWhyWhenAndWhere(t *testing.T) {
	task := &Task{RetryCount: 3}
	RecordDeath(task, "q", died, errors.New("no\nanswer"))
	assert.Equal(t, map[string]string{
		"failure_reason": "no\nanswer", "failed_at": "2026-03-01T10:00:00.000000005Z", "original_queue": "q", "attempts": "4",
	}, task.Metadata)
}

func TestRecordDeathCountsNoRunWhereThereWasNone(t *testing.T) {
	for _, cause := range []error{ErrTaskExpired, ErrMaxDeliveries, ErrUnknownType, ErrUnknownShape} {
		task := &Task{RetryCount: 3}
		RecordDeath(task, "q", died, fmt.Errorf("%w: and so on", cause))
		assert.Equal(t, "3", task.Metadata[MetaAttempts], cause)
	}
}

func TestClearDeathMakesATaskFitToRun(t *testing.T) {
	task := &Task{ID: "a", RetryCount: 3, ScheduledFor: died, Metadata: map[string]string{"mine": "1", "attempt_of_mine": "2", "attempt_0": "3"}}
	RecordAttempt(task, 3, "", died, 0, errors.New("no"))
	RecordAttempt(task, 4, "", died, 0, errors.New("no"))
	RecordDeath(task, "q", died, errors.New("no"))
	ClearDeath(task, "q-dlq")
	assert.Zero(t, task.RetryCount)
	assert.True(t, task.ScheduledFor.IsZero())
	assert.Equal(t, map[string]string{
		"mine": "1", "attempt_of_mine": "2", "attempt_0": "3", "redriven_from": "q-dlq", "redrive_count": "1",
		"failure_reason": "no", "failed_at": "2026-03-01T10:00:00.000000005Z", "original_queue": "q", "attempts": "4",
	}, task.Metadata)
	ClearDeath(task, "q-dlq")
	assert.Equal(t, "2", task.Metadata[MetaRedriveCount])

	bare := &Task{}
	ClearDeath(bare, "q-dlq")
	assert.Equal(t, map[string]string{"redriven_from": "q-dlq", "redrive_count": "1"}, bare.Metadata)
}

func TestFailureTextIsBoundedAndTravels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Repeat(string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "bytes")), rapid.IntRange(0, 300).Draw(rt, "times"))
		task := &Task{ID: "a", Type: "t", Queue: "q", Payload: []byte("1")}
		RecordAttempt(task, 1, "", died, 0, errors.New(text))
		RecordDeath(task, "q", died, errors.New(text))
		require.NoError(rt, task.Validate())
		require.LessOrEqual(rt, len(task.Metadata[MetaFailureReason]), maxReason)
		require.LessOrEqual(rt, len(task.Metadata["attempt_1"]), maxAttemptLine)
		if utf8.ValidString(text) && len(text) <= maxReason {
			require.Equal(rt, text, task.Metadata[MetaFailureReason])
		}
	})
	assert.Equal(t, "ab…", clip("abcdefg", 5))
	assert.Equal(t, "a…", clip("aéééé", 5), "not within a rune")
	assert.Equal(t, "abcde", clip("abcde", 5))
}
