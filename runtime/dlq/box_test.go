package dlq_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/dlq"
)

func TestListNeedsALimit(t *testing.T) {
	_, _, err := inMemory(t).box.List(t.Context(), dlq.Filter{}, "", 0)
	assert.ErrorContains(t, err, "positive")
}

func TestPayloadOfATypeNobodyKnowsOrThatIsEncodedIsNotShown(t *testing.T) {
	d := inMemory(t)
	unknown, sealed := mail("unknown"), mail("sealed")
	unknown.Type = "unheard of"
	sealed.Encoding = "aes-gcm"
	d.bury(func(int) error { return errors.New("x") }, unknown, sealed)
	for _, id := range []string{"unknown", "sealed"} {
		l, err := d.box.Show(d.ctx, id)
		require.NoError(t, err)
		assert.Equal(t, "null", string(l.Payload), id)
		assert.Equal(t, id == "sealed", l.Encoding == "aes-gcm")
	}
}

func TestExportThatCannotWriteSaysSo(t *testing.T) {
	d := inMemory(t)
	d.buryMails(2)
	n, err := d.box.Export(d.ctx, dlq.Filter{}, failing{})
	assert.ErrorIs(t, err, errDisk)
	assert.Zero(t, n)
}

var errDisk = errors.New("the disk is full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }
