package server

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// An AuditRecord says who has called a method that changes something, or was refused, and how it
// went. It has no payload, result or error of a task.
type AuditRecord struct {
	// At is when the call began, and Took how long it was. A subscription ends with its stream.
	At   time.Time     `json:"at"`
	Took time.Duration `json:"took"` // in nanoseconds
	// Caller is the Token.Name, or "anonymous" on a server without tokens. It and Role are
	// empty if the server did not know the caller: Code is "unauthenticated" then.
	Caller string `json:"caller,omitempty"`
	Role   Role   `json:"role,omitempty"`
	// Remote is the address that the call came from: that of a proxy if there is one.
	Remote string `json:"remote,omitempty"`
	// Procedure is the method, like "/taskgen.v1.QueueService/Enqueue".
	Procedure string `json:"procedure"`
	// Subjects are the names that the request has, such as queues, types, jobs and IDs; of
	// many the first ten, and of each the first 200 bytes. Count is how many items it has: 1
	// unless it is a batch.
	Subjects []string `json:"subjects,omitempty"`
	Count    int      `json:"count,omitempty"`
	// Reason that the caller has given, at most 1,000 characters; empty if none.
	Reason string `json:"reason,omitempty"`
	// Code is "ok", or the code of the error, such as "permission_denied".
	Code string `json:"code"`
}

const (
	// maxSubjects bounds AuditRecord.Subjects, and maxSubject the bytes of each.
	maxSubjects, maxSubject = 10, 200
	// maxReason bounds AuditRecord.Reason, in characters.
	maxReason = 1000
	// Refused calls leave this many records at once, and one of them each refusalEvery: whoever
	// makes many of them fills no disk.
	refusalBurst = 200
	refusalEvery = 10 * time.Second
)

// audit records a call of a method that changes something.
func (i *interceptor) audit(ctx context.Context, procedure, remote string, request any, began time.Time, err error) {
	if access[procedure].audits {
		i.s.record(ctx, recordOf(ctx, procedure, remote, request, began, err))
	}
}

func recordOf(ctx context.Context, procedure, remote string, request any, began time.Time, err error) AuditRecord {
	c := callerOf(ctx)
	r := AuditRecord{At: began, Took: time.Since(began), Caller: c.name, Role: c.role, Remote: remote, Procedure: procedure, Code: "ok"}
	if err != nil {
		r.Code = connect.CodeOf(err).String()
	}
	if m, ok := request.(proto.Message); ok {
		r.Subjects, r.Count = subjectsOf(m)
		switch with := request.(type) {
		case interface{ GetReason() string }:
			r.Reason = with.GetReason()
		case interface{ GetOptions() *v1.BulkOptions }:
			r.Reason = with.GetOptions().GetReason()
		}
	}
	return r
}

// record keeps a record, and tells whoever else is to hear of it.
func (s *Server) record(ctx context.Context, r AuditRecord) {
	for i, name := range r.Subjects {
		r.Subjects[i] = clip(name, maxSubject)
	}
	if utf8.RuneCountInString(r.Reason) > maxReason {
		r.Reason = string([]rune(r.Reason)[:maxReason])
	}
	if err := s.records.add(r); err != nil {
		s.log().LogAttrs(ctx, slog.LevelError, "an audit record could not be kept", slog.String("procedure", r.Procedure), slog.String("caller", r.Caller), slog.String("error", err.Error()))
	}
	if s.cfg.Audit != nil {
		s.cfg.Audit(r)
		return
	}
	message := "a call changed something"
	if r.Code == connect.CodeUnauthenticated.String() || r.Code == connect.CodePermissionDenied.String() {
		message = "a call was refused"
	}
	s.log().LogAttrs(ctx, slog.LevelInfo, message,
		slog.String("caller", r.Caller), slog.String("role", string(r.Role)), slog.String("remote", r.Remote), slog.String("procedure", r.Procedure), slog.Any("subjects", r.Subjects),
		slog.Int("count", r.Count), slog.String("reason", r.Reason), slog.String("code", r.Code), slog.Duration("took", r.Took))
}

// clip cuts a text to so many bytes, at the end of a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// refusals bound the records of refused calls.
type refusals struct {
	strangers, known *rate.Limiter // of callers without and with a token
	dropped          atomic.Int64
}

func newRefusals() *refusals {
	return &refusals{
		strangers: rate.NewLimiter(rate.Every(refusalEvery), refusalBurst),
		known:     rate.NewLimiter(rate.Every(refusalEvery), refusalBurst),
	}
}

// refused records a call that the caller may not make, unless there were too many.
func (s *Server) refused(ctx context.Context, r AuditRecord) {
	limiter := s.refusals.known
	if r.Caller == "" {
		limiter = s.refusals.strangers
	}
	if !limiter.Allow() {
		s.refusals.dropped.Add(1)
		return
	}
	if n := s.refusals.dropped.Swap(0); n > 0 {
		s.log().LogAttrs(ctx, slog.LevelWarn, "so many calls were refused that some have no audit record", slog.Int64("calls", n))
	}
	s.record(ctx, r)
}

// unauthenticated records a call of somebody whom the server does not know. Its path is whatever
// somebody may send.
func (s *Server) unauthenticated(ctx context.Context, path, remote string) {
	if _, ok := access[path]; !ok {
		path = "unknown"
	}
	s.refused(ctx, AuditRecord{At: time.Now(), Remote: remote, Procedure: path, Code: connect.CodeUnauthenticated.String()})
}
