package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
)

// An interceptor does around every call what all calls need: the role is checked before the
// request is read, then the request; errors get their codes, and calls that change something
// are recorded.
type interceptor struct {
	s         *Server
	validator protovalidate.Validator
}

func newInterceptor(s *Server) (*interceptor, error) {
	v, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return &interceptor{s, v}, nil
}

// admit is a connect.RequestGateFunc.
func (i *interceptor) admit(ctx context.Context, spec connect.Spec, peer connect.Peer, _ http.Header) (context.Context, error) {
	err := authorize(ctx, spec.Procedure)
	if err != nil {
		i.s.refused(ctx, recordOf(ctx, spec.Procedure, peer.Addr, nil, time.Now(), err))
	}
	return ctx, err
}

// WrapUnary implements connect.Interceptor.
func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		began := time.Now()
		res, err := i.call(ctx, req, next)
		err = i.s.coded(err)
		i.audit(ctx, req.Spec().Procedure, req.Peer().Addr, req.Any(), began, err)
		return res, err
	}
}

func (i *interceptor) call(ctx context.Context, req connect.AnyRequest, next connect.UnaryFunc) (connect.AnyResponse, error) {
	if err := i.validate(req.Any()); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// WrapStreamingClient implements connect.Interceptor: a server has no clients.
func (i *interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor. The context of a stream ends with the
// server.
func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		began := time.Now()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(i.s.live, cancel)()
		checked := &checkedConn{StreamingHandlerConn: conn, validate: i.validate}
		err := i.s.coded(next(ctx, checked))
		if connect.CodeOf(err) == connect.CodeCanceled && i.s.live.Err() != nil {
			err = i.s.coded(errStopped)
		}
		i.audit(ctx, conn.Spec().Procedure, conn.Peer().Addr, checked.request, began, err)
		return err
	}
}

// A checkedConn validates what it receives, and keeps the last of it.
type checkedConn struct {
	connect.StreamingHandlerConn
	validate func(msg any) error
	request  any
}

// Receive implements connect.StreamingHandlerConn.
func (c *checkedConn) Receive(msg any) error {
	if err := c.StreamingHandlerConn.Receive(msg); err != nil {
		return err
	}
	c.request = msg
	return c.validate(msg)
}

// validate checks a request against the rules of its message. The error has a detail with the
// violations, each with the path of its field.
func (i *interceptor) validate(msg any) error {
	m, ok := msg.(proto.Message)
	if !ok {
		return nil
	}
	err := i.validator.Validate(m)
	if err == nil {
		return nil
	}
	coded := connect.NewError(connect.CodeInvalidArgument, err)
	var invalid *protovalidate.ValidationError
	if errors.As(err, &invalid) {
		bad := &errdetails.BadRequest{}
		for _, v := range invalid.Violations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: protovalidate.FieldPathString(v.Proto.GetField()), Description: v.Proto.GetMessage(), Reason: v.Proto.GetRuleId(),
			})
		}
		if d, err := connect.NewErrorDetail(bad); err == nil {
			coded.AddDetail(d)
		}
	}
	return coded
}

// recovered makes a panic an error of its call, and logs it.
func (s *Server) recovered(ctx context.Context, spec connect.Spec, _ http.Header, p any) error {
	s.panicked(ctx, p, slog.String("procedure", spec.Procedure))
	return connect.NewError(connect.CodeInternal, errPanicked)
}

var errPanicked = errors.New("the call panicked: the server's log has the stack")

func (s *Server) panicked(ctx context.Context, p any, where slog.Attr) {
	s.log().LogAttrs(ctx, slog.LevelError, "a call panicked", where, slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
}
