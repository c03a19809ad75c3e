package fleetstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

func TestAWorkerThatCannotBeReadIsListedWithTheReason(t *testing.T) {
	at := time.Now()
	w := fleetstore.DecodeWorker("w7", at, []byte(`{"name":"mailer","slots":"as many as it takes"}`))
	require.ErrorContains(t, w.Err, "w7")
	assert.Equal(t, &fleetstore.Worker{ID: "w7", HeartbeatAt: at, Err: w.Err}, w)
	w = fleetstore.DecodeWorker("w7", at, []byte(`{"name":"mailer","later":{"a":1}}`))
	assert.Equal(t, &fleetstore.Worker{ID: "w7", Name: "mailer", HeartbeatAt: at}, w, "what a later version adds is passed over")
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	o := fleetstore.Order{Worker: "w7"}
	require.ErrorContains(t, o.Decode([]byte(`{`)), "w7")
	require.Error(t, new(fleetstore.Type).Decode([]byte(`[]`)))
}

func TestEqualDescriptionsHaveEqualSums(t *testing.T) {
	sum := func(d fleetstore.Type) string {
		data, err := d.Encode()
		require.NoError(t, err)
		return fleetstore.Sum(data)
	}
	assert.Equal(t, sum(fleetstore.Type{Name: "a", Secrets: []string{"/b"}}), sum(fleetstore.Type{Name: "a", Secrets: []string{"/b"}}))
	assert.NotEqual(t, sum(fleetstore.Type{Name: "a"}), sum(fleetstore.Type{Name: "a", MaxRetries: 1}))
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	at := time.Now().UTC().Round(0)
	w := &fleetstore.Worker{
		ID: "w7", Name: "mailer", StartedAt: at, HeartbeatAt: at, Types: []string{"welcome"}, Slots: 10, Busy: 1,
		Queues: []fleetstore.Queue{{Name: "mail", Provider: "redis"}}, Running: []fleetstore.Run{{TaskID: "t1", Type: "welcome", Queue: "mail", Attempt: 1, Since: at}},
	}
	data, err := w.Encode()
	require.NoError(t, err)
	assert.Equal(t, w, fleetstore.DecodeWorker("w7", at, data))

	o := fleetstore.Order{Worker: "w7", Seq: 3, Kind: fleetstore.OrderCancel, TaskID: "t1"}
	data, err = o.Encode()
	require.NoError(t, err)
	read := fleetstore.Order{Worker: "w7", Seq: 3}
	require.NoError(t, read.Decode(data))
	assert.Equal(t, o, read)

	d := fleetstore.Type{Name: "welcome", Secrets: []string{"/token"}, Timeout: time.Minute}
	data, err = d.Encode()
	require.NoError(t, err)
	var described fleetstore.Type
	require.NoError(t, described.Decode(data))
	assert.Equal(t, d, described)
}
