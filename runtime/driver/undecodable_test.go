package driver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

var errJunk = errors.New("junk")

func TestAnUndecodableMessageIsAValidTaskThatHoldsIt(t *testing.T) {
	t.Parallel()
	message := []byte{'{', 0xff, 0, '"'}
	died := time.Date(2026, 3, 1, 10, 0, 0, 7, time.UTC)
	task := driver.Undecodable("a\xffb", "q", message, died, errJunk)
	again, err := driver.DecodeEnvelope(driver.AppendEnvelope(nil, task))
	require.NoError(t, err)
	assert.Equal(t, "a?b", again.ID)
	assert.Equal(t, driver.UndecodableType, again.Type)
	assert.Equal(t, "q", again.Queue)
	assert.True(t, died.Equal(again.CreatedAt))
	assert.Equal(t, map[string]string{
		driver.MetaFailureReason: "taskgen: invalid task: the message cannot be decoded: junk",
		driver.MetaFailedAt:      "2026-03-01T10:00:00.000000007Z",
		driver.MetaOriginalQueue: "q",
		driver.MetaAttempts:      "0",
	}, again.Metadata)
	var got []byte
	require.NoError(t, json.Unmarshal(again.Payload, &got))
	assert.Equal(t, message, got)
	assert.Equal(t, driver.DeathOf(task), driver.DeathOf(again))
}

func TestAnUndecodableMessageWithoutANameIsNamedByItsBytes(t *testing.T) {
	t.Parallel()
	id := func(message string) string {
		return driver.Undecodable("", "q", []byte(message), time.Now(), errJunk).ID
	}
	assert.Equal(t, "undecodable-e3b0c44298fc1c149afbf4c8996fb924", id(""), "the same in each version")
	assert.Equal(t, id("{"), id("{"))
	assert.NotEqual(t, id("{"), id("["))
}

func TestTheReasonOfAnUndecodableMessageSaysOnceThatItIsInvalid(t *testing.T) {
	t.Parallel()
	_, cause := driver.DecodeEnvelope([]byte("no envelope"))
	require.ErrorIs(t, cause, driver.ErrInvalidTask)
	for _, cause := range []error{cause, fmt.Errorf("%w: %s", driver.ErrInvalidTask, strings.Repeat("long ", 10_000))} {
		reason := driver.Undecodable("a", "q", nil, time.Now(), cause).Metadata[driver.MetaFailureReason]
		assert.True(t, strings.HasPrefix(reason, "taskgen: invalid task: the message cannot be decoded: "), reason)
		assert.Equal(t, 1, strings.Count(reason, driver.ErrInvalidTask.Error()))
		assert.Less(t, len(reason), 5<<10)
	}
}
