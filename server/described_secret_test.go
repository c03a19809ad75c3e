package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/server"
)

// describedMail describes mails as a worker or the generator does.
func describedMail() fleet.Type {
	spec := *mailSpec
	spec.UniqueKey, spec.Validate = nil, nil // these are functions without a description
	return describedBy(&spec)
}

// A recorder keeps the answers and errors of all calls of a client, by method.
type recorder struct {
	mu   sync.Mutex
	said map[string]string
}

func (r *recorder) option() connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			res, err := next(ctx, req)
			var text string
			if err == nil {
				data, err := protojson.Marshal(res.Any().(proto.Message))
				if err != nil {
					return nil, err
				}
				var line bytes.Buffer // without the spaces that the library varies
				if err := json.Compact(&line, data); err != nil {
					return nil, err
				}
				text = line.String()
			} else {
				text = err.Error() + strings.Join(detailsOf(err), " ")
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			procedure := req.Spec().Procedure
			r.said[procedure[strings.LastIndex(procedure, "/")+1:]] += text + "\n"
			return res, err
		}
	}))
}

func detailsOf(err error) (all []string) {
	ce := new(connect.Error)
	if !errors.As(err, &ce) {
		return nil
	}
	for _, d := range ce.Details() {
		if v, err := d.Value(); err == nil {
			all = append(all, compact(v))
		}
	}
	return all
}

// everyLook makes each call that shows payloads, and each that refuses one, of a queue with
// dead and live mails, and returns what was answered. Deliveries to workers are left out.
func everyLook(t *testing.T, edit func(*server.Config)) map[string]string {
	t.Helper()
	r := &recorder{said: make(map[string]string)}
	var jobs schedule.Scheduler
	q := serveAdmin(t, inMemory(t), edit, func(c *server.Config) {
		jobs = schedule.New(memory.NewJobs(), c.Manager, schedule.Config{})
		c.Scheduler = jobs
	})
	q.bury(t, 3)
	live := mailsOf(2)
	live[0].ID, live[1].ID = "live-0", "live-1"
	q.put(t, live...)
	task := *mailsOf(1)[0]
	task.ID = ""
	_, err := jobs.Schedule(soonEnough(t), schedule.Job{ID: "daily", When: schedule.In(time.Hour), Task: &task})
	require.NoError(t, err)

	ctx, opts := soonEnough(t), r.option()
	queues := q.as(adminToken, opts)
	admin := q.admin(adminToken, opts)
	scheduler := connectv1.NewSchedulerServiceClient(q.http, q.url, opts, connect.WithInterceptors(queueToken(adminToken)))
	long := `{"to":"a","token":"` + mailCanary + mailCanary + `"}`
	for _, payload := range []string{aMail("ada@example.com").GetPayload(), long, `{"to":"a","` + mailCanary + `":1}`, `{"to":"a"} ` + mailCanary, `{"to":{"x":"` + mailCanary + `"}}`, mailCanary} {
		_, _ = queues.Enqueue(ctx, &v1.EnqueueRequest{Task: &v1.NewTask{Type: "mail", Payload: payload}})
		_, _ = queues.EnqueueBatch(ctx, &v1.EnqueueBatchRequest{Tasks: []*v1.NewTask{{Type: "mail", Payload: payload}}})
		_, _ = scheduler.ScheduleJob(ctx, &v1.ScheduleJobRequest{When: &v1.When{When: &v1.When_In{In: durationpb.New(time.Hour)}}, Task: &v1.NewTask{Type: "mail", Payload: payload}})
		_, _ = scheduler.ModifyJob(ctx, &v1.ModifyJobRequest{Id: "daily", Task: &v1.NewTask{Type: "mail", Payload: payload}})
		_, _ = admin.EditDeadLetter(ctx, &v1.EditDeadLetterRequest{Queue: "mails", Id: "m0001", Payload: payload})
	}
	_, err = queues.Peek(ctx, &v1.PeekRequest{Queue: "mails"})
	require.NoError(t, err)
	_, err = queues.GetTask(ctx, &v1.GetTaskRequest{Id: "live-0"})
	require.NoError(t, err)
	_, err = admin.ListTasks(ctx, &v1.ListTasksRequest{Queue: "mails"})
	require.NoError(t, err)
	_, err = admin.ListDeadLetters(ctx, &v1.ListDeadLettersRequest{Queue: "mails"})
	require.NoError(t, err)
	_, err = admin.GetDeadLetter(ctx, &v1.GetDeadLetterRequest{Queue: "mails", Id: "m0002"})
	require.NoError(t, err)
	_, err = admin.GroupDeadLetters(ctx, &v1.GroupDeadLettersRequest{Queue: "mails"})
	require.NoError(t, err)
	_, err = admin.ListAuditRecords(ctx, &v1.ListAuditRecordsRequest{})
	require.NoError(t, err)
	_, err = scheduler.GetJobStatus(ctx, &v1.GetJobStatusRequest{Id: "daily"})
	require.NoError(t, err)
	_, err = scheduler.ListJobs(ctx, &v1.ListJobsRequest{})
	require.NoError(t, err)
	return r.said
}

// showing are the methods whose answers have payloads.
var showing = []string{"Peek", "GetTask", "ListTasks", "ListDeadLetters", "GetDeadLetter", "GetJobStatus", "ListJobs"}

func TestASecretOfATypeWithoutItsCodeIsInNoAnswer(t *testing.T) {
	store := memory.NewFleet()
	require.NoError(t, store.PutTypes(t.Context(), []fleet.Type{describedMail()}, time.Hour))
	for name, edit := range map[string]func(*server.Config){
		"catalog": func(c *server.Config) { c.Types, c.Catalog = nil, fleet.Types{describedMail()} },
		"fleet":   func(c *server.Config) { c.Types, c.Fleet = nil, fleet.New(store, fleet.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			said := everyLook(t, edit)
			for method, text := range said {
				assert.NotContains(t, text, mailCanary, method)
			}
			for _, method := range showing {
				assert.Contains(t, said[method], runtime.Redacted, method)
				assert.Contains(t, said[method], "example.com", "%s shows what is no secret", method)
			}
			assert.Contains(t, said["Enqueue"], `"queue":"mails"`, "what fits is accepted")
		})
	}
}

func TestATypeThatNobodyDescribesShowsNothingAndIsNotEnqueued(t *testing.T) {
	store := memory.NewFleet()
	for name, c := range map[string]struct {
		edit  func(*server.Config)
		mends []string
	}{
		"nothing is known": {func(c *server.Config) { c.Types = nil }, []string{`knows nothing of "mail": it knows no type`, "give the server the fleet", "taskgen -catalog"}},
		"other types": {
			func(c *server.Config) { c.Types, c.Catalog = nil, fleet.Types{describedBy(parcelSpec())} },
			[]string{`knows nothing of "mail": it knows parcel`, "give the server the fleet", "taskgen -catalog"},
		},
		"a fleet without it": {
			func(c *server.Config) { c.Types, c.Fleet = nil, fleet.New(store, fleet.Config{}) },
			[]string{`knows nothing of "mail"`, "start a worker of the type", "taskgen -catalog"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			said := everyLook(t, c.edit)
			for method, text := range said {
				assert.NotContains(t, text, mailCanary, method)
				assert.NotContains(t, text, "example.com", method)
			}
			for _, method := range showing {
				assert.Contains(t, said[method], `"payload":"null"`, method)
			}
			for _, method := range []string{"Enqueue", "EnqueueBatch", "ScheduleJob", "ModifyJob"} {
				for _, mend := range c.mends {
					assert.Contains(t, strings.ReplaceAll(said[method], `\"`, `"`), mend, method)
				}
				assert.NotContains(t, said[method], `"queue":"mails"`, method)
			}
		})
	}
}
