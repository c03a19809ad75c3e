package sqs

import (
	"context"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A stream is the body of a request without a WriteTo. The SDK closes a body as soon as SQS has
// answered, while package net/http may still look for its end. The SDK's WriteTo then returns
// io.EOF, which net/http takes for a broken request: it closes the connection, and the answer on
// it is lost, with the messages of a poll. Read returns io.EOF, as it should.
type stream struct{ io.ReadSeeker }

// plainStream makes the body of each request a stream.
var plainStream = middleware.FinalizeMiddlewareFunc("taskgenStream", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	r, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	if body, ok := r.GetStream().(io.ReadSeeker); ok {
		var err error
		if in.Request, err = r.SetStream(stream{body}); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
	}
	return next.HandleFinalize(ctx, in)
})
