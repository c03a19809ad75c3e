package dlq_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
)

func TestListGoesThroughThePagesInTheOrderOfDeath(t *testing.T) {
	d := inMemory(t)
	d.buryMails(20)
	var got []string
	for cursor := ""; ; {
		page, next, err := d.box.List(d.ctx, dlq.Filter{Reason: "MAILBOX"}, cursor, 4)
		require.NoError(t, err)
		for _, l := range page {
			got = append(got, l.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
		require.Len(t, page, 4, "a page that is not the last is full")
	}
	assert.Equal(t, []string{"m01", "m02", "m04", "m05", "m07", "m08", "m10", "m11", "m13", "m14", "m16", "m17", "m19"}, got)

	_, _, err := d.box.List(d.ctx, dlq.Filter{}, "", 0)
	assert.ErrorContains(t, err, "positive")
}

func TestFilterChoosesByEachOfItsFields(t *testing.T) {
	d := inMemory(t)
	other := mail("other")
	other.Type = "letter"
	d.bury(func(i int) error { return fmt.Errorf("reason %c", 'a'+i) }, mail("m0"), mail("m1"), other)
	first, err := d.box.Show(d.ctx, "m0")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		f    dlq.Filter
		want []string
	}{
		"all":     {dlq.Filter{}, []string{"m0", "m1", "other"}},
		"queue":   {dlq.Filter{Queue: "another"}, []string{}},
		"type":    {dlq.Filter{Type: "letter"}, []string{"other"}},
		"group":   {dlq.Filter{Group: first.Group}, []string{"m0"}},
		"reason":  {dlq.Filter{Reason: "REASON B"}, []string{"m1"}},
		"ID":      {dlq.Filter{Text: "THE"}, []string{"other"}},
		"payload": {dlq.Filter{Text: "m1@example"}, []string{"m1"}},
		"secret":  {dlq.Filter{Text: "hush"}, []string{}},
		"before":  {dlq.Filter{Before: start.Add(time.Second)}, []string{"m0"}},
		"after":   {dlq.Filter{After: start.Add(time.Second)}, []string{"m1", "other"}},
	} {
		assert.Equal(t, c.want, d.ids(c.f), name)
	}
}

func TestShowTellsOfEachRunAndHidesSecrets(t *testing.T) {
	d := inMemory(t)
	task := mail("m")
	task.Metadata = map[string]string{"tenant": "acme", "attempt_of_mine": "x"}
	_, err := d.queue.Enqueue(d.ctx, []*runtime.Task{task})
	require.NoError(t, err)
	ds, err := d.queue.Dequeue(d.ctx, 1, time.Minute)
	require.NoError(t, err)
	runtime.NoteAttempt(ds[0].Task, 1, "w 1", start, 1234567*time.Nanosecond, errors.New("no: answer"))
	runtime.NoteAttempt(ds[0].Task, 2, "", start.Add(time.Minute), time.Second, errors.New("no on: answer"))
	ds[0].Task.RetryCount = 1
	ds[0].Task.Metadata["stack_2"] = "main.go:1"
	runtime.Bury(ds[0].Task, "q", start.Add(time.Minute), errors.New("no on: answer"))
	require.NoError(t, d.queue.DeadLetter(d.ctx, ds))

	l, err := d.box.Show(d.ctx, "m")
	require.NoError(t, err)
	assert.Equal(t, []dlq.Attempt{
		{Number: 1, At: start, Took: 1235 * time.Microsecond, Worker: "w-1", Error: "no: answer"},
		{Number: 2, At: start.Add(time.Minute), Took: time.Second, Error: "no on: answer", Stack: "main.go:1"},
	}, l.Attempts)
	assert.Equal(t, map[string]string{"tenant": "acme", "attempt_of_mine": "x"}, l.Metadata)
	assert.Equal(t, "q", l.Queue)
	assert.Equal(t, "no on: answer", l.Reason)
	assert.Equal(t, start.Add(time.Minute), l.FailedAt)
	assert.Equal(t, 2, l.Runs)
	assert.JSONEq(t, `{"to":"m@example.com","password":"••••","keys":[{"value":"••••"}],"size":12345678901234567890}`, string(l.Payload))
	assert.Contains(t, string(l.Payload), "12345678901234567890", "numbers stay as they are")

	_, err = d.box.Show(d.ctx, "nobody")
	assert.ErrorIs(t, err, runtime.ErrTaskNotFound)
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

func TestGroupsHoldWhatFailedInOneWay(t *testing.T) {
	d := inMemory(t)
	d.buryMails(20)
	groups, err := d.box.Groups(d.ctx, dlq.Filter{})
	require.NoError(t, err)
	require.Len(t, groups, 2)
	assert.Equal(t, dlq.Group{
		ID: groups[0].ID, Type: "mail", Pattern: "mailbox “…” is full", Count: 13, First: start.Add(time.Second), Last: start.Add(19 * time.Second), Example: "m19",
	}, groups[0])
	assert.Equal(t, 7, groups[1].Count)
	assert.Equal(t, "dial #: timeout after # ms", groups[1].Pattern)
	assert.Len(t, d.ids(dlq.Filter{Group: groups[1].ID}), 7)
}

func TestExportIsLinesOfJSONWithoutSecrets(t *testing.T) {
	d := inMemory(t)
	d.buryMails(20)
	var out bytes.Buffer
	n, err := d.box.Export(d.ctx, dlq.Filter{}, &out)
	require.NoError(t, err)
	assert.Equal(t, 20, n)
	assert.NotContains(t, out.String(), "hush")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 20)
	for i, line := range lines {
		var l dlq.Letter
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		assert.Equal(t, fmt.Sprintf("m%02d", i), l.ID)
		assert.Len(t, l.Attempts, 1)
	}
	n, err = d.box.Export(d.ctx, dlq.Filter{}, failing{})
	assert.ErrorIs(t, err, errDisk)
	assert.Zero(t, n)
}

var errDisk = errors.New("the disk is full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }
