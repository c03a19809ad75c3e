package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
)

func TestRedriveMovesWhatItIsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		r    dlq.Redrive
		want int
	}{
		"one":               {dlq.Redrive{IDs: []string{"m03"}}, 1},
		"some":              {dlq.Redrive{IDs: []string{"m03", "m04", "nobody"}}, 2},
		"none":              {dlq.Redrive{IDs: []string{}}, 0},
		"a reason":          {dlq.Redrive{Filter: dlq.Filter{Reason: "timeout"}}, 7},
		"some of a reason":  {dlq.Redrive{Filter: dlq.Filter{Reason: "timeout"}, IDs: []string{"m03", "m04"}}, 1},
		"those before":      {dlq.Redrive{Filter: dlq.Filter{Before: start.Add(5 * time.Second)}}, 5},
		"all":               {dlq.Redrive{}, 20},
		"all at some speed": {dlq.Redrive{Rate: runtime.Rate{Limit: 10_000, Per: time.Second}}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			d := inMemory(t)
			d.buryMails(20)
			dry := c.r
			dry.DryRun = true
			done, err := d.box.Redrive(d.ctx, dry)
			require.NoError(t, err)
			assert.Equal(t, c.want, done.Moved, "dry run")
			assert.Len(t, d.ids(dlq.Filter{}), 20, "a dry run moves none")

			told := 0
			c.r.Progress = func(n int) { told = n }
			done, err = d.box.Redrive(d.ctx, c.r)
			require.NoError(t, err)
			assert.Equal(t, c.want, done.Moved)
			assert.Equal(t, c.want, told)
			assert.Empty(t, done.Kept)
			assert.Len(t, d.ids(dlq.Filter{}), 20-c.want)
			for id, task := range d.takeAll(c.want) {
				assert.Equal(t, "1", task.Metadata[runtime.MetaRedriveCount], id)
				assert.Equal(t, "q-dlq", task.Metadata[runtime.MetaRedrivenFrom], id)
				assert.NotContains(t, task.Metadata, "attempt_1")
				assert.Equal(t, string(mail(id).Payload), string(task.Payload))
			}
		})
	}
}

func TestRedriveOfAGroupLeavesTheOthers(t *testing.T) {
	d := inMemory(t)
	d.buryMails(20)
	groups, err := d.box.Groups(d.ctx, dlq.Filter{})
	require.NoError(t, err)
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{Filter: dlq.Filter{Group: groups[0].ID}})
	require.NoError(t, err)
	assert.Equal(t, groups[0].Count, done.Moved)
	left, err := d.box.Groups(d.ctx, dlq.Filter{})
	require.NoError(t, err)
	assert.Equal(t, groups[1:], left)
}

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

func TestRedriveThatIsBrokenOffIsGoneOnWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := inMemory(t)
		d.buryMails(50)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		done, err := d.box.Redrive(ctx, dlq.Redrive{Rate: runtime.Rate{Limit: 10, Per: time.Second}, Filter: dlq.Filter{Before: start.Add(time.Hour)}})
		require.ErrorContains(t, err, "broken off after")
		require.Positive(t, done.Moved)
		require.Less(t, done.Moved, 50)
		again, err := d.box.Redrive(context.Background(), dlq.Redrive{Filter: dlq.Filter{Before: done.Until}})
		require.NoError(t, err)
		assert.Equal(t, 50, done.Moved+again.Moved)
	})
}

func TestRedriveLeavesAloneWhatDiesWhileItRuns(t *testing.T) {
	d := inMemory(t)
	late := mail("late")
	d.buryMails(3)
	_, err := d.queue.Enqueue(d.ctx, []*runtime.Task{late})
	require.NoError(t, err)
	ds, err := d.queue.Dequeue(d.ctx, 1, time.Minute)
	require.NoError(t, err)
	runtime.Bury(ds[0].Task, "q", time.Now().Add(time.Hour), errors.New("x"))
	require.NoError(t, d.queue.DeadLetter(d.ctx, ds))
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
	require.NoError(t, err)
	assert.Equal(t, 3, done.Moved)
	assert.Equal(t, []string{"late"}, d.ids(dlq.Filter{}))
}

func TestRedriveTellsWhatItKept(t *testing.T) {
	d := inMemory(t)
	d.buryMails(3)
	_, err := d.queue.Enqueue(d.ctx, []*runtime.Task{mail("m01")})
	require.NoError(t, err)
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
	require.NoError(t, err)
	assert.Equal(t, 2, done.Moved)
	require.Len(t, done.Kept, 1)
	assert.ErrorIs(t, done.Kept["m01"], runtime.ErrDuplicate)
	assert.Equal(t, []string{"m01"}, d.ids(dlq.Filter{}))
}

func TestDiscardRemovesForGood(t *testing.T) {
	d := inMemory(t)
	d.buryMails(20)
	gone, err := d.box.Discard(d.ctx, []string{"m00", "nobody"})
	require.NoError(t, err)
	assert.Equal(t, []string{"m00"}, gone)
	n, err := d.box.DiscardMatching(d.ctx, dlq.Filter{Reason: "timeout"})
	require.NoError(t, err)
	assert.Equal(t, 6, n)
	n, err = d.box.DiscardMatching(d.ctx, dlq.Filter{})
	require.NoError(t, err)
	assert.Equal(t, 13, n)
	assert.Empty(t, d.ids(dlq.Filter{}))
}

func TestEditedPayloadIsHeldToItsSchemaAndKeepsItsSecrets(t *testing.T) {
	d := inMemory(t)
	d.buryMails(3)
	for _, bad := range []string{
		`{}`, `{"to":""}`, `{"to":"a","size":1.5}`, `{"to":"a","at":"yesterday"}`, `{"to":"a","tto":"b"}`, `{"to":"a"} {}`, `nonsense`, ``,
	} {
		assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "m01", []byte(bad)), dlq.ErrInvalidPayload, bad)
	}
	assert.Len(t, d.ids(dlq.Filter{}), 3, "what is refused changes nothing")

	edited := fmt.Sprintf(`{"to":"new@example.com","password":%q,"keys":[{"value":%[1]q},{"value":"mine"}]}`, runtime.Redacted)
	require.NoError(t, d.box.RedriveEdited(d.ctx, "m01", []byte(edited)))
	assert.Equal(t, []string{"m00", "m02"}, d.ids(dlq.Filter{}))
	task := d.takeAll(1)["m01"]
	require.NotNil(t, task)
	assert.JSONEq(t, `{"to":"new@example.com","password":"hush","keys":[{"value":"hush"},{"value":"mine"}]}`, string(task.Payload))
	assert.Equal(t, "1", task.Metadata[runtime.MetaRedriveCount])
	assert.Zero(t, task.RetryCount)
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
	assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "unknown", good), runtime.ErrUnknownType)
	assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "back", good), runtime.ErrDuplicate)
	assert.ErrorIs(t, d.box.RedriveEdited(d.ctx, "nobody", good), runtime.ErrTaskNotFound)
	assert.Len(t, d.ids(dlq.Filter{}), 3)
}
