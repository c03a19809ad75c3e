package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
)

// methods are those of the services, by procedure.
func methods(t *testing.T) map[string]protoreflect.MethodDescriptor {
	t.Helper()
	all := make(map[string]protoreflect.MethodDescriptor)
	protoregistry.GlobalFiles.RangeFilesByPackage("taskgen.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				all["/"+string(service.FullName())+"/"+string(m.Name())] = m
			}
		}
		return true
	})
	require.Contains(t, all, connectv1.QueueServiceEnqueueProcedure)
	return all
}

func TestTheTableOfAccessHasEachMethod(t *testing.T) {
	all := methods(t)
	for procedure := range all {
		assert.Contains(t, access, procedure, "nobody may call it")
	}
	for procedure, row := range access {
		assert.Positive(t, row.role.rank(), procedure)
		if _, ok := all[procedure]; !ok {
			assert.True(t, strings.HasPrefix(procedure, "/grpc."), "there is no method %s", procedure)
			assert.Equal(t, requirement{Viewer, false}, row, procedure)
		}
	}
}

// TestWhatChangesSomethingIsRecordedAndNotForViewers holds the table against the definitions,
// which say what has no side effects. A stream cannot say so.
func TestWhatChangesSomethingIsRecordedAndNotForViewers(t *testing.T) {
	for procedure, m := range methods(t) {
		level := m.Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel()
		reads := level == descriptorpb.MethodOptions_NO_SIDE_EFFECTS || procedure == connectv1.QueueMonitoringServiceStreamMetricsProcedure || procedure == connectv1.QueueAdminServiceWatchBulkJobProcedure
		row := access[procedure]
		assert.Equal(t, !reads, row.audits, procedure)
		if !reads {
			assert.GreaterOrEqual(t, row.role.rank(), Operator.rank(), procedure)
		}
	}
}

func TestAMethodThatTheTableLacksIsOpenToNobody(t *testing.T) {
	const procedure = connectv1.QueueMonitoringServiceGetQueueStatsProcedure
	row := access[procedure]
	delete(access, procedure)
	t.Cleanup(func() { access[procedure] = row })
	m := runtime.NewManager(runtime.ManagerConfig{})
	for name, tokens := range map[string][]Token{"an admin": {{Name: "ops", Role: Admin, Secret: "0123456789abcdef"}}, "anybody": nil} {
		s, err := New(Config{Manager: m, Tokens: tokens})
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, procedure, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer 0123456789abcdef")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		assert.Equal(t, http.StatusForbidden, w.Code, name)
		assert.Contains(t, w.Body.String(), "is open to nobody")
		require.NoError(t, s.Close())
	}
}

// TestTheSubjectsOfACallAreItsNames fills each field of a request that is recorded with its own
// name, and looks at what comes out.
func TestTheSubjectsOfACallAreItsNames(t *testing.T) {
	want := map[string][]string{
		"Enqueue": {"type", "queue", "id"}, "EnqueueBatch": {"type", "queue", "id", "type", "queue", "id"}, "Publish": {"type", "queues", "queues"},
		"Dequeue": {"queue"}, "Subscribe": {"queue"}, "Complete": {"lease_id", "lease_id"}, "Fail": {"lease_id", "lease_id"},
		"Extend": {"lease_ids", "lease_ids"}, "Release": {"lease_ids", "lease_ids"}, "DeadLetter": {"lease_ids", "lease_ids"},
		"ScheduleJob": {"id", "type", "queue", "id"}, "ModifyJob": {"id"}, "CancelJob": {"id"}, "PauseJob": {"id"}, "ResumeJob": {"id"}, "RunNow": {"id"},
		"CreateQueue": {"queue"}, "DeleteQueue": {"queue"}, "PauseQueue": {"queue"}, "ResumeQueue": {"queue"}, "PurgeQueue": {"queue"}, "ResetQueueStats": {"queue"},
		"CancelTask": {"id"}, "RescheduleTask": {"id"}, "CancelTasks": {"queue"}, "EditDeadLetter": {"queue", "id"},
		"RedriveDeadLetters": {"queue", "ids", "ids"}, "DiscardDeadLetters": {"queue", "ids", "ids"},
		"CancelBulkJob": {"id"}, "ResumeBulkJob": {"id"}, "QuietWorker": {"worker"}, "ResumeWorker": {"worker"},
	}
	for procedure, m := range methods(t) {
		if !access[procedure].audits {
			continue
		}
		typ, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
		require.NoError(t, err)
		request := typ.New()
		fill(request)
		names, count := subjectsOf(request.Interface())
		assert.Equal(t, want[string(m.Name())], names, procedure)
		last := len(names) - 1
		batch := last > 0 && (names[0] == names[len(names)/2] || names[last] == names[last-1])
		assert.Equal(t, map[bool]int{true: 2, false: 1}[batch], count, procedure)
	}
}

// fill writes into each text of a message the name of its field. Lists get two items.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsMap():
		case f.IsList():
			list := m.Mutable(f).List()
			for range 2 {
				if f.Message() != nil {
					fill(list.AppendMutable().Message())
				} else if f.Kind() == protoreflect.StringKind {
					list.Append(protoreflect.ValueOfString(string(f.Name())))
				}
			}
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(string(f.Name())))
		case f.Message() != nil && f.ContainingOneof() == nil:
			fill(m.Mutable(f).Message())
		}
	}
}

func TestOfManySubjectsTheFirstTenAreNamed(t *testing.T) {
	m := methods(t)[connectv1.QueueServiceExtendProcedure]
	typ, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
	require.NoError(t, err)
	request := typ.New()
	list := request.Mutable(m.Input().Fields().ByName("lease_ids")).List()
	for range 1000 {
		list.Append(protoreflect.ValueOfString("lease"))
	}
	names, count := subjectsOf(proto.Message(request.Interface()))
	assert.Len(t, names, 10)
	assert.Equal(t, 1000, count)
}
