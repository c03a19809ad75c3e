package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	_ "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/server"
)

// forViewers are the methods that viewers may call, and forAdmins those that only admins may; all
// others are for operators.
const forViewers = `
	QueueService/Peek QueueService/GetQueueInfo QueueService/GetTask
	QueueMonitoringService/GetQueueStats QueueMonitoringService/GetQueueHealth QueueMonitoringService/GetClusterInfo
	QueueMonitoringService/ListWorkers QueueMonitoringService/ListTypes QueueMonitoringService/StreamMetrics
	SchedulerService/GetJobStatus SchedulerService/ListJobs
	QueueAdminService/ListQueues QueueAdminService/ListTasks QueueAdminService/ListDeadLetters QueueAdminService/GroupDeadLetters
	QueueAdminService/GetDeadLetter QueueAdminService/GetBulkJob QueueAdminService/ListBulkJobs QueueAdminService/WatchBulkJob`

const forAdmins = `
	QueueAdminService/CreateQueue QueueAdminService/DeleteQueue QueueAdminService/PurgeQueue QueueAdminService/ResetQueueStats
	QueueAdminService/DiscardDeadLetters QueueAdminService/ListAuditRecords`

// A method is one that the server has.
type method struct {
	procedure      string
	client, server bool // which of the two streams
	least          int  // rank of the least role that may call it
}

// token is one whose role may call a method.
func (m method) token() string {
	return []string{"", viewerToken, operatorToken, adminToken}[m.least]
}

func (m method) streams() connect.StreamType {
	switch {
	case m.client:
		return connect.StreamTypeBidi
	case m.server:
		return connect.StreamTypeServer
	}
	return connect.StreamTypeUnary
}

func methods(t *testing.T) []method {
	t.Helper()
	all := []method{
		{"/grpc.health.v1.Health/Check", false, false, 1},
		{"/grpc.health.v1.Health/Watch", false, true, 1},
		{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true, true, 1},
		{"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true, true, 1},
	}
	ranks := make(map[string]int)
	for least, names := range map[int]string{1: forViewers, 3: forAdmins} {
		for name := range strings.FieldsSeq(names) {
			ranks["/taskgen.v1."+name] = least
		}
	}
	protoregistry.GlobalFiles.RangeFilesByPackage("taskgen.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				of := method{procedure: "/" + string(service.FullName()) + "/" + string(m.Name()), client: m.IsStreamingClient(), server: m.IsStreamingServer(), least: 2}
				if least, ok := ranks[of.procedure]; ok {
					of.least = least
					delete(ranks, of.procedure)
				}
				all = append(all, of)
			}
		}
		return true
	})
	require.Empty(t, ranks, "all that viewers or only admins may call are there")
	return all
}

// call calls a method with an empty request, and returns the error of its first answer.
func (m method) call(ctx context.Context, c *http.Client, url string, opts ...connect.ClientOption) error {
	ctx, cancel := context.WithCancel(ctx) // ends a stream that goes on
	defer cancel()
	client := connect.NewClient[emptypb.Empty, emptypb.Empty](c, url+m.procedure, opts...)
	switch m.streams() {
	case connect.StreamTypeServer:
		stream, err := client.CallServerStream(ctx, connect.NewRequest(&emptypb.Empty{}))
		if err != nil {
			return err
		}
		if !stream.Receive() {
			return stream.Err()
		}
		return nil
	case connect.StreamTypeBidi:
		stream := client.CallBidiStream(ctx)
		if err := stream.Send(&emptypb.Empty{}); err != nil && !errors.Is(err, context.Canceled) {
			_, err = stream.Receive() // which has the error of the server
			return err
		}
		_ = stream.CloseRequest()
		_, err := stream.Receive()
		return err
	}
	_, err := client.CallUnary(ctx, connect.NewRequest(&emptypb.Empty{}))
	return err
}

func TestEachMethodIsForThoseWhoseRoleAllowsIt(t *testing.T) {
	s := start(t, server.Config{Tokens: tokens(), Audit: func(server.AuditRecord) {}})
	callers := map[string]struct {
		token string
		rank  int
	}{"nobody": {"", 0}, "a stranger": {"stranger-0123456789", 0}, "a viewer": {viewerToken, 1}, "an operator": {operatorToken, 2}, "an admin": {adminToken, 3}}
	protocols := map[string]connect.ClientOption{"JSON": connect.WithProtoJSON(), "gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb()}
	client := s.client()
	for _, m := range methods(t) {
		for protocol, speaks := range protocols {
			for name, c := range callers {
				err := m.call(bounded(t), client, s.url(), speaks, bearer(c.token))
				code := connect.CodeOf(err)
				switch {
				case c.rank == 0:
					assert.Equal(t, connect.CodeUnauthenticated, code, "%s by %s, %s: %v", m.procedure, protocol, name, err)
				case c.rank < m.least:
					assert.Equal(t, connect.CodePermissionDenied, code, "%s by %s, %s: %v", m.procedure, protocol, name, err)
				default:
					assert.NotContains(t, []connect.Code{connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeUnavailable, connect.CodeInternal}, code, "%s by %s, %s: %v", m.procedure, protocol, name, err)
				}
			}
		}
	}
}

func TestWithoutTokensEverybodyMayDoEverything(t *testing.T) {
	s := start(t, server.Config{Audit: func(server.AuditRecord) {}})
	client := s.client()
	for _, m := range methods(t) {
		code := connect.CodeOf(m.call(bounded(t), client, s.url(), connect.WithGRPC()))
		assert.NotContains(t, []connect.Code{connect.CodeUnauthenticated, connect.CodePermissionDenied}, code, m.procedure)
	}
}
