package sqs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/taskgen/taskgen/runtime/driver"
)

var errNoAnswer = fmt.Errorf("%w: SQS did not answer for this entry of the batch", driver.ErrUnavailable)

// unavailable makes the error of a request, to SQS or to the store, ErrUnavailable if it
// leaves the outcome open: the request could not be sent, no answer came or not all of
// it, or the server failed (a status of 500 or more). The same holds for a request that
// was throttled: it may be sent again. Other refusals are known outcomes, and so is a
// request that could not be made, because credentials, an endpoint or a trusted
// certificate are missing.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	var (
		answer *awshttp.ResponseError
		apiErr smithy.APIError
		unsent *smithyhttp.RequestSendError
		quiet  *answerTimeout
		cut    *smithy.DeserializationError
		broken net.Error

		distrusted *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &distrusted):
		return err
	case errors.As(err, &apiErr) && throttled(apiErr.ErrorCode()):
	case errors.As(err, &answer) && answer.HTTPStatusCode() >= http.StatusBadRequest:
		if answer.HTTPStatusCode() < http.StatusInternalServerError {
			return err
		}
	case errors.As(err, &unsent), errors.As(err, &quiet), errors.As(err, &cut), errors.As(err, &broken):
	case errors.Is(err, context.Canceled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		return err
	}
	return driver.Unavailable(err)
}
