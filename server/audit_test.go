package server_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/server"
)

// canary is a secret that nothing may show.
const canary = "4111-canary-1111"

// A ledger keeps audit records.
type ledger struct {
	mu      sync.Mutex
	records []server.AuditRecord
}

func (l *ledger) add(r server.AuditRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
}

// take returns the records since the last call.
func (l *ledger) take() []server.AuditRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.records
	l.records = nil
	return taken
}

// codeOf is the code of an error as records have it.
func codeOf(err error) string {
	if err == nil {
		return "ok"
	}
	return connect.CodeOf(err).String()
}

func TestEachCallThatChangesSomethingIsRecordedOnce(t *testing.T) {
	var l ledger
	s := start(t, server.Config{Tokens: tokens(), Audit: l.add})
	client := s.client()
	names := map[string]server.Role{"shop": server.Operator, "ops": server.Admin}
	for _, m := range methods(t) {
		for _, speaks := range []connect.ClientOption{connect.WithProtoJSON(), connect.WithGRPC()} {
			began := time.Now()
			err := m.call(bounded(t), client, s.url(), speaks)
			require.Equal(t, connect.CodeUnauthenticated, connect.CodeOf(err))
			records := l.take()
			refused := m.call(bounded(t), client, s.url(), speaks, bearer(viewerToken))
			records = append(records, l.take()...)
			err = m.call(bounded(t), client, s.url(), speaks, bearer(m.token()))
			records = append(records, l.take()...)

			want := []server.AuditRecord{{Procedure: m.procedure, Code: "unauthenticated"}}
			if m.least > 1 {
				require.Equal(t, connect.CodePermissionDenied, connect.CodeOf(refused))
				want = append(want, server.AuditRecord{Caller: "wall", Role: server.Viewer, Procedure: m.procedure, Code: "permission_denied"})
				if !strings.HasSuffix(m.procedure, "/AwaitResult") && !strings.HasSuffix(m.procedure, "/ListAuditRecords") {
					caller := map[int]string{2: "shop", 3: "ops"}[m.least]
					want = append(want, server.AuditRecord{Caller: caller, Role: names[caller], Procedure: m.procedure, Code: codeOf(err)})
				}
			}
			for i := range records {
				assert.WithinRange(t, records[i].At, began, time.Now())
				assert.True(t, strings.HasPrefix(records[i].Remote, "127.0.0.1:"), records[i].Remote)
				records[i].At, records[i].Took, records[i].Count, records[i].Remote = time.Time{}, 0, 0, ""
			}
			assert.Equal(t, want, records, m.procedure)
		}
	}
}

func TestARecordSaysWhatAndWhy(t *testing.T) {
	var l ledger
	s := start(t, server.Config{Audit: l.add})
	ctx := bounded(t)
	for _, c := range []struct {
		call func() error
		want server.AuditRecord
	}{
		{
			func() error {
				_, err := s.queues().Enqueue(ctx, &v1.EnqueueRequest{Task: &v1.NewTask{Type: "payment", Queue: "payments", Id: "p1", Payload: "{}"}})
				return err
			},
			server.AuditRecord{Procedure: taskgenv1connect.QueueServiceEnqueueProcedure, Subjects: []string{"payment", "payments", "p1"}, Count: 1},
		},
		{
			func() error {
				_, err := s.queues().EnqueueBatch(ctx, &v1.EnqueueBatchRequest{Tasks: slices.Repeat([]*v1.NewTask{{Type: "payment", Payload: "{}"}}, 30)})
				return err
			},
			server.AuditRecord{Procedure: taskgenv1connect.QueueServiceEnqueueBatchProcedure, Subjects: slices.Repeat([]string{"payment"}, 10), Count: 30},
		},
		{
			func() error {
				_, err := s.queues().DeadLetter(ctx, &v1.DeadLetterRequest{LeaseIds: []string{"l1", "l2"}, Reason: "the customer has left"})
				return err
			},
			server.AuditRecord{Procedure: taskgenv1connect.QueueServiceDeadLetterProcedure, Subjects: []string{"l1", "l2"}, Count: 2, Reason: "the customer has left"},
		},
		{
			func() error {
				_, err := s.scheduler().CancelJob(ctx, &v1.CancelJobRequest{Id: "nightly", Reason: "it is summer"})
				return err
			},
			server.AuditRecord{Procedure: taskgenv1connect.SchedulerServiceCancelJobProcedure, Subjects: []string{"nightly"}, Count: 1, Reason: "it is summer"},
		},
		{
			func() error {
				stream, err := s.queues().Subscribe(ctx, &v1.SubscribeRequest{Queue: "payments", MaxInFlight: -1})
				if err != nil {
					return err
				}
				defer stream.Close()
				stream.Receive()
				return stream.Err()
			},
			server.AuditRecord{Procedure: taskgenv1connect.QueueServiceSubscribeProcedure, Subjects: []string{"payments"}, Count: 1},
		},
	} {
		c.want.Caller, c.want.Role, c.want.Code = "anonymous", server.Admin, codeOf(c.call())
		records := l.take()
		require.Len(t, records, 1, c.want.Procedure)
		assert.Positive(t, records[0].Took)
		assert.NotEmpty(t, records[0].Remote)
		records[0].At, records[0].Took, records[0].Remote = time.Time{}, 0, ""
		assert.Equal(t, c.want, records[0])
	}
}

func TestNoRecordAndNoLogShowsWhatATaskHolds(t *testing.T) {
	var l ledger
	var log logBuffer
	for name, cfg := range map[string]server.Config{"records": {Audit: l.add}, "logs": {}} {
		cfg.Types, cfg.Logger = []server.Type{paymentSpec}, log.logger()
		s := start(t, cfg)
		ctx, queues := bounded(t), s.queues()
		secret := `{"to":"x","card":"` + canary + `"}`
		task := &v1.NewTask{Type: "payment", Payload: secret}
		var errs []error
		note := func(err error) { errs = append(errs, err) }
		for _, payload := range []string{secret, "[" + secret + "]", secret + canary, `{"` + canary + `":1}`} {
			_, err := queues.Enqueue(ctx, &v1.EnqueueRequest{Task: &v1.NewTask{Type: "payment", Payload: payload}})
			note(err)
		}
		_, err := queues.EnqueueBatch(ctx, &v1.EnqueueBatchRequest{Tasks: []*v1.NewTask{task, {Type: "unknown", Payload: secret}}})
		note(err)
		_, err = queues.Publish(ctx, &v1.PublishRequest{Task: task, Queues: []string{"payments", "nowhere"}})
		note(err)
		_, err = queues.Complete(ctx, &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: "l1", Result: secret}}})
		note(err)
		_, err = queues.Fail(ctx, &v1.FailRequest{Tasks: []*v1.FailedTask{{LeaseId: "l1", Error: canary}}})
		note(err)
		_, err = s.scheduler().ScheduleJob(ctx, &v1.ScheduleJobRequest{Id: "j", Task: task})
		note(err)
		for _, err := range errs {
			if err != nil {
				assert.NotContains(t, err.Error(), canary, name)
			}
		}
		s.stop()
	}
	records := l.take()
	require.Len(t, records, 9)
	for _, r := range records {
		assert.NotContains(t, strings.Join(append(r.Subjects, r.Reason, r.Caller, r.Code), " "), canary)
	}
	assert.Equal(t, 9, strings.Count(log.String(), `"msg":"a call changed something"`), "without Config.Audit the records are logged")
	assert.NotContains(t, log.String(), canary)
	assert.NotContains(t, log.String(), "4111")
}
