package server_test

import (
	"encoding/json"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/server"
)

// listLetters reads all pages of a list.
func listLetters(t *testing.T, c connectv1.QueueAdminServiceClient, filter string, limit int32) (all []*v1.DeadLetter, pages int) {
	t.Helper()
	for cursor := ""; ; {
		res, err := c.ListDeadLetters(soonEnough(t), &v1.ListDeadLettersRequest{Queue: "mails", Filter: filter, Cursor: cursor, Limit: limit})
		require.NoError(t, err)
		all = append(all, res.GetLetters()...)
		pages++
		if cursor = res.GetNextCursor(); cursor == "" {
			return all, pages
		}
	}
}

func idsOf(letters []*v1.DeadLetter) (ids []string) {
	for _, l := range letters {
		ids = append(ids, l.GetId())
	}
	return ids
}

func TestDeadLettersAreListedAndShown(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.bury(t, 7)
		groups, err := c.GroupDeadLetters(soonEnough(t), &v1.GroupDeadLettersRequest{Queue: "mails"})
		require.NoError(t, err)
		require.Len(t, groups.GetGroups(), 2)
		full, timeouts := groups.GetGroups()[0], groups.GetGroups()[1]
		assert.Equal(t, []any{int64(4), "the mailbox is full", "mail", "m0005"}, []any{full.GetCount(), full.GetPattern(), full.GetType(), full.GetExample()})
		assert.Equal(t, int64(3), timeouts.GetCount())

		for filter, want := range map[string][]string{
			"":                          {"m0000", "m0001", "m0002", "m0003", "m0004", "m0005", "m0006"},
			"group:" + timeouts.GetId(): {"m0000", "m0003", "m0006"},
			"error~full -id:m0001":      {"m0002", "m0004", "m0005"},
			"type:mail m0006":           {"m0006"},
			"runs:1 redrives:0 age<10m": {"m0000", "m0001", "m0002", "m0003", "m0004", "m0005", "m0006"},
			"state:ready":               nil,
			mailCanary:                  nil,
		} {
			letters, _ := listLetters(t, c, filter, 0)
			assert.Equal(t, want, idsOf(letters), filter)
			letters, pages := listLetters(t, c, filter, 2)
			assert.Equal(t, want, idsOf(letters), filter)
			assert.GreaterOrEqual(t, pages, (len(want)+1)/2)
		}

		res, err := c.GetDeadLetter(soonEnough(t), &v1.GetDeadLetterRequest{Queue: "mails", Id: "m0000"})
		require.NoError(t, err)
		l := res.GetLetter()
		assert.Equal(t, []any{"mail", "mails", "dial: timeout after 3 s", int32(1), int32(2), timeouts.GetId(), mailSpec.Shape}, []any{l.GetType(), l.GetQueue(), l.GetReason(), l.GetRuns(), l.GetMaxRetries(), l.GetGroup(), l.GetShape()})
		assert.JSONEq(t, `{"to":"m0000@example.com","token":"••••"}`, l.GetPayload())
		assert.Equal(t, map[string]string{"tenant": "acme"}, l.GetMetadata())
		require.Len(t, l.GetFailedRuns(), 1)
		run := l.GetFailedRuns()[0]
		assert.Equal(t, []any{int32(1), "w-1", "dial: timeout after 3 s", time.Millisecond}, []any{run.GetNumber(), run.GetWorker(), run.GetError(), run.GetTook().AsDuration()})
		again, err := c.GetDeadLetter(soonEnough(t), &v1.GetDeadLetterRequest{Queue: "mails", Id: l.GetRef()})
		require.NoError(t, err)
		assert.Equal(t, compact(l), compact(again.GetLetter()))
		_, err = c.GetDeadLetter(soonEnough(t), &v1.GetDeadLetterRequest{Queue: "mails", Id: "nobody"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
		_, err = c.ListDeadLetters(soonEnough(t), &v1.ListDeadLettersRequest{Queue: "mails", Filter: "age>soon"})
		assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	})
}

func TestADeadLetterIsEditedAndKeepsItsSecret(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.bury(t, 2)
		_, err := c.EditDeadLetter(soonEnough(t), &v1.EditDeadLetterRequest{Queue: "mails", Id: "m0000", Payload: `{"token":"••••"}`})
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), "the schema wants an address")
		assert.NotContains(t, err.Error(), mailCanary)
		_, err = c.EditDeadLetter(soonEnough(t), &v1.EditDeadLetterRequest{Queue: "mails", Id: "m0000", Payload: `{"to":"ada@example.com","token":"••••"}`, Reason: "a typo"})
		require.NoError(t, err)
		_, err = c.EditDeadLetter(soonEnough(t), &v1.EditDeadLetterRequest{Queue: "mails", Id: "m0000", Payload: `{"to":"ada@example.com","token":"••••"}`})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
		task := q.takeAll(t, "mails", 1)["m0000"]
		assert.JSONEq(t, `{"to":"ada@example.com","token":"`+mailCanary+`"}`, string(task.Payload))
		assert.Equal(t, driver.Stats{Dead: 1}, q.statsOf(t, "mails"))
	})
}

func TestALetterOfAnUnknownTypeIsNeitherShownNorEdited(t *testing.T) {
	q := serveAdmin(t, inMemory(t), func(c *server.Config) { c.Types = nil })
	q.bury(t, 1)
	c := q.admin(operatorToken)
	letters, _ := listLetters(t, c, "", 0)
	require.Len(t, letters, 1)
	assert.Equal(t, "null", letters[0].GetPayload())
	for _, filter := range []string{"m0000@example", "payload~null", mailCanary} {
		letters, _ = listLetters(t, c, filter, 0)
		assert.Empty(t, letters, filter)
	}
	_, err := c.EditDeadLetter(soonEnough(t), &v1.EditDeadLetterRequest{Queue: "mails", Id: "m0000", Payload: `{"to":"x"}`})
	assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
	assert.ErrorContains(t, err, "make the type known")
	assert.Equal(t, driver.Stats{Dead: 1}, q.statsOf(t, "mails"))
}

// TestNoAnswerRecordOrLogOfTheServiceShowsASecret calls each method that tasks come by, with all
// that may make it quote them.
func TestNoAnswerRecordOrLogOfTheServiceShowsASecret(t *testing.T) {
	var l ledger
	var log logBuffer
	q := serveAdmin(t, inMemory(t), func(c *server.Config) { c.Audit, c.Logger = l.add, log.logger() })
	q.bury(t, 3)
	strange := &runtime.Task{ID: "strange", Type: "unknown", Queue: "mails", Payload: []byte(`{"token":"` + mailCanary + `"}`)}
	q.put(t, append(mailsOf(6)[3:], strange)...)
	c := q.admin(adminToken, connect.WithProtoJSON())
	var shown []string
	show := func(answer any, err error) {
		t.Helper()
		if err != nil {
			shown = append(shown, err.Error())
			return
		}
		text, err := json.Marshal(answer)
		require.NoError(t, err)
		shown = append(shown, string(text))
	}
	ctx := soonEnough(t)
	for _, filter := range []string{"", mailCanary, "payload~" + mailCanary[:4], "state:dead"} {
		show(c.ListTasks(ctx, &v1.ListTasksRequest{Queue: "mails", Filter: filter}))
		show(c.ListDeadLetters(ctx, &v1.ListDeadLettersRequest{Queue: "mails", Filter: filter}))
		show(c.GroupDeadLetters(ctx, &v1.GroupDeadLettersRequest{Queue: "mails", Filter: filter}))
	}
	listed := len(shown)
	show(c.GetDeadLetter(ctx, &v1.GetDeadLetterRequest{Queue: "mails", Id: "m0000"}))
	secret := `{"to":"x","token":"` + mailCanary + `"}`
	for _, payload := range []string{`{"token":"` + mailCanary + `"}`, secret + secret, `[` + secret + `]`, `{"to":"x","token":"` + mailCanary + mailCanary + `"}`, secret} {
		show(c.EditDeadLetter(ctx, &v1.EditDeadLetterRequest{Queue: "mails", Id: "m0000", Payload: payload}))
	}
	show(c.ListQueues(ctx, &v1.ListQueuesRequest{}))
	for _, dry := range []bool{true, false} {
		res, err := c.RedriveDeadLetters(ctx, &v1.RedriveDeadLettersRequest{Queue: "mails", Options: &v1.BulkOptions{DryRun: dry}})
		require.NoError(t, err)
		show(finished(t, c, res.GetJob().GetId()), nil)
	}
	show(c.RescheduleTask(ctx, &v1.RescheduleTaskRequest{Id: "m0003"}))
	show(c.CancelTask(ctx, &v1.CancelTaskRequest{Id: "m0003"}))
	show(c.PurgeQueue(ctx, &v1.PurgeQueueRequest{Queue: "mails"}))
	show(c.ListAuditRecords(ctx, &v1.ListAuditRecordsRequest{}))
	for i, text := range shown {
		if i >= listed { // a filter that a caller sends may come back in its error
			assert.NotContains(t, text, mailCanary)
		}
		assert.NotContains(t, text, `token\":\"canary`)
		assert.NotContains(t, text, `"canary`)
	}
	records, err := json.Marshal(l.take())
	require.NoError(t, err)
	assert.NotContains(t, string(records), mailCanary)
	assert.NotContains(t, log.String(), mailCanary)
}
