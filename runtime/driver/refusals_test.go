package driver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestArgumentsAreCheckedInTheSameWords(t *testing.T) {
	t.Parallel()
	assert.NoError(t, driver.CheckDequeue("q", 1, 1))
	assert.EqualError(t, driver.CheckDequeue("q", 0, time.Second), `taskgen: dequeue 0 tasks of queue "q" for 1s: both must be more than 0`)
	assert.EqualError(t, driver.CheckDequeue("q", 1, 0), `taskgen: dequeue 1 tasks of queue "q" for 0s: both must be more than 0`)
	assert.NoError(t, driver.CheckExtend("q", 1))
	assert.EqualError(t, driver.CheckExtend("q", 0), `taskgen: extend leases of queue "q" by 0s: a lease must be longer than 0`)
	assert.NoError(t, driver.CheckBrowse("q", 1))
	assert.EqualError(t, driver.CheckBrowse("q", 0), `taskgen: browse 0 tasks of queue "q": at least 1`)
}

func TestRefusalsNameTheQueueAndWrapTheirError(t *testing.T) {
	t.Parallel()
	assert.ErrorIs(t, driver.QueueClosed("mail"), driver.ErrClosed)
	assert.ErrorContains(t, driver.QueueClosed("mail"), `queue "mail"`)
	for _, refuse := range []func(string) error{driver.NoDLQ, driver.NoRedrive, driver.NoDiscard} {
		assert.ErrorIs(t, refuse("mail-dlq"), driver.ErrUnsupported)
		assert.ErrorContains(t, refuse("mail-dlq"), `queue "mail-dlq"`)
	}
}
