package driver

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnUndecodableMessageIsAValidTaskThatHoldsIt(t *testing.T) {
	message := []byte{'{', 0xff, 0, '"'}
	task := Undecodable("a\xffb", "q", message, time.Unix(7, 0))
	again, err := DecodeEnvelope(AppendEnvelope(nil, task))
	require.NoError(t, err)
	assert.Equal(t, "a?b", again.ID)
	assert.Equal(t, UndecodableType, again.Type)
	var got []byte
	require.NoError(t, json.Unmarshal(again.Payload, &got))
	assert.Equal(t, message, got)
}
