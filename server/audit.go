package server

import (
	"context"
	"log/slog"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
)

// An AuditRecord says who has called a method that changes something, and how it went. It has
// no payload, result or error of a task.
type AuditRecord struct {
	// At is when the call began, and Took how long it was. A subscription ends with its stream.
	At   time.Time
	Took time.Duration
	// Caller is the Token.Name, or "anonymous" on a server without tokens.
	Caller string
	Role   Role
	// Procedure is the method, like "/taskgen.v1.QueueService/Enqueue".
	Procedure string
	// Subjects are the names that the request has, such as queues, types, jobs and IDs; of
	// many the first ten. Count is how many items it has: 1 unless it is a batch.
	Subjects []string
	Count    int
	// Reason that the caller has given; empty if none.
	Reason string
	// Code is "ok", or the code of the error, such as "permission_denied".
	Code string
}

// maxSubjects bounds AuditRecord.Subjects.
const maxSubjects = 10

// audit records a call of a method that changes something.
func (i *interceptor) audit(ctx context.Context, procedure string, request any, began time.Time, err error) {
	if !access[procedure].audits {
		return
	}
	c := callerOf(ctx)
	r := AuditRecord{At: began, Took: time.Since(began), Caller: c.name, Role: c.role, Procedure: procedure, Code: "ok"}
	if err != nil {
		r.Code = connect.CodeOf(err).String()
	}
	if m, ok := request.(proto.Message); ok {
		r.Subjects, r.Count = subjectsOf(m)
		if with, ok := request.(interface{ GetReason() string }); ok {
			r.Reason = with.GetReason()
		}
	}
	if i.s.cfg.Audit != nil {
		i.s.cfg.Audit(r)
		return
	}
	i.s.log().LogAttrs(ctx, slog.LevelInfo, "a call changed something",
		slog.String("caller", r.Caller), slog.String("role", string(r.Role)), slog.String("procedure", r.Procedure), slog.Any("subjects", r.Subjects),
		slog.Int("count", r.Count), slog.String("reason", r.Reason), slog.String("code", r.Code), slog.Duration("took", r.Took))
}
