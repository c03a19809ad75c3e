package fleetstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAWorkerThatCannotBeReadIsListedWithTheReason(t *testing.T) {
	at := time.Now()
	w := DecodeWorker("w7", at, []byte(`{"name":"mailer","slots":"as many as it takes"}`))
	require.ErrorContains(t, w.Err, "w7")
	assert.Equal(t, &Worker{ID: "w7", HeartbeatAt: at, Err: w.Err}, w)
	w = DecodeWorker("w7", at, []byte(`{"name":"mailer","later":{"a":1}}`))
	assert.Equal(t, &Worker{ID: "w7", Name: "mailer", HeartbeatAt: at}, w, "what a later version adds is passed over")
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	o := Order{Worker: "w7"}
	require.ErrorContains(t, o.Decode([]byte(`{`)), "w7")
	require.Error(t, new(Type).Decode([]byte(`[]`)))
}

func TestEqualDescriptionsHaveEqualSums(t *testing.T) {
	sum := func(d Type) string {
		data, err := d.Encode()
		require.NoError(t, err)
		return Sum(data)
	}
	assert.Equal(t, sum(Type{Name: "a", Secrets: []string{"/b"}}), sum(Type{Name: "a", Secrets: []string{"/b"}}))
	assert.NotEqual(t, sum(Type{Name: "a"}), sum(Type{Name: "a", MaxRetries: 1}))
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	at := time.Now().UTC().Round(0)
	w := &Worker{
		ID: "w7", Name: "mailer", StartedAt: at, HeartbeatAt: at, Types: []string{"welcome"}, Slots: 10, Busy: 1,
		Queues: []Queue{{Name: "mail", Provider: "redis"}}, Running: []Run{{TaskID: "t1", Type: "welcome", Queue: "mail", Attempt: 1, Since: at}},
	}
	data, err := w.Encode()
	require.NoError(t, err)
	assert.Equal(t, w, DecodeWorker("w7", at, data))

	o := Order{Worker: "w7", Seq: 3, Kind: OrderCancel, TaskID: "t1"}
	data, err = o.Encode()
	require.NoError(t, err)
	read := Order{Worker: "w7", Seq: 3}
	require.NoError(t, read.Decode(data))
	assert.Equal(t, o, read)

	d := Type{Name: "welcome", Secrets: []string{"/token"}, Timeout: time.Minute}
	data, err = d.Encode()
	require.NoError(t, err)
	var described Type
	require.NoError(t, described.Decode(data))
	assert.Equal(t, d, described)
}
