package dlq_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestRedriveKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := inMemory(t)
		d.buryMails(90)
		began := time.Now()
		done, err := d.box.Redrive(d.ctx, dlq.Redrive{Rate: runtime.Rate{Limit: 100, Per: 10 * time.Second}, Filter: dlq.Filter{Before: start.Add(time.Hour)}})
		require.NoError(t, err)
		assert.Equal(t, 90, done.Moved)
		assert.Equal(t, 8900*time.Millisecond, time.Since(began), "one at once, then ten a second")
	})
}

func TestFormatsOfTheSchemaAreHeldTo(t *testing.T) {
	d := inMemory(t)
	d.buryMails(1)
	err := d.box.RedriveEdited(d.ctx, "m00", []byte(`{"to":"a","at":"yesterday"}`))
	assert.ErrorIs(t, err, dlq.ErrInvalidPayload)
	assert.ErrorContains(t, err, "date-time")
	assert.NoError(t, d.box.RedriveEdited(d.ctx, "m00", []byte(`{"to":"a","at":"2026-03-01T10:00:00Z"}`)))
}

func TestEditIsRefusedWhereItCannotBeDoneRight(t *testing.T) {
	d := inMemory(t)
	sealed, unknown := mail("sealed"), mail("unknown")
	sealed.Encoding, unknown.Type = "aes-gcm", "unheard of"
	d.bury(func(int) error { return errors.New("x") }, sealed, unknown, mail("back"))
	_, err := d.queue.Enqueue(d.ctx, []*runtime.Task{mail("back")})
	require.NoError(t, err)
	good := []byte(`{"to":"a"}`)
	assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "sealed", good), runtime.ErrUnsupported)
	assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "unknown", good), driver.ErrUnknownType)
	assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "back", good), runtime.ErrDuplicate)
	assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "nobody", good), runtime.ErrTaskNotFound)
	assert.Len(t, d.ids(dlq.Filter{}), 3)
}

func TestSingleLettersAreRedrivenByIDAndByRef(t *testing.T) {
	d := inMemory(t)
	d.buryMails(5)
	read, err := d.box.Show(d.ctx, "m02")
	require.NoError(t, err)
	moved, err := d.box.RedriveLetters(d.ctx, []string{"nobody", "m01", read.Ref})
	require.NoError(t, err)
	assert.Equal(t, []string{"m01", read.Ref}, moved)
	moved, err = d.box.RedriveLetters(d.ctx, []string{"m01", read.Ref})
	require.NoError(t, err)
	assert.Empty(t, moved, "they are back already")
	assert.Equal(t, []string{"m00", "m03", "m04"}, d.ids(dlq.Filter{}))
	assert.Len(t, d.takeAll(2), 2)

	d.bury(func(int) error { return errors.New("again") }, mail("m02"))
	moved, err = d.box.RedriveLetters(d.ctx, []string{read.Ref})
	require.NoError(t, err)
	assert.Empty(t, moved, "it is another death of the task")

	_, err = d.queue.Enqueue(d.ctx, []*runtime.Task{mail("m03")})
	require.NoError(t, err)
	moved, err = d.box.RedriveLetters(d.ctx, []string{"nobody", "m00", "m03", "m04"})
	assert.Equal(t, []string{"m00", "m04"}, moved)
	require.ErrorIs(t, runtime.ErrorAt(err, 2), runtime.ErrDuplicate, "m03 is the third of the call")
	assert.Equal(t, []string{"m03", "m02"}, d.ids(dlq.Filter{}))
}

func TestAFilterMayDecideByAFunction(t *testing.T) {
	d := inMemory(t)
	d.buryMails(6)
	odd := dlq.Filter{Reason: "mailbox", Match: func(l *dlq.Letter) bool { return l.ID != "m02" }}
	assert.Equal(t, []string{"m01", "m04", "m05"}, d.ids(odd))
	groups, err := d.box.Groups(d.ctx, odd)
	require.NoError(t, err)
	require.Len(t, groups, 1)
	assert.Equal(t, 3, groups[0].Count)
}
