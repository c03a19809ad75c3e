package sqs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// answered is an error that came with a status.
func answered(status int, err error) error {
	r := &smithyhttp.Response{Response: &http.Response{StatusCode: status}}
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{Response: r, Err: err}}
}

func TestAnErrorThatLeavesTheOutcomeOpenIsUnavailable(t *testing.T) {
	for _, err := range []error{
		context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, &answerTimeout{}, &smithyhttp.RequestSendError{Err: io.EOF},
		answered(500, errors.New("internal")), answered(200, &smithy.DeserializationError{Err: io.EOF}), answered(400, &smithy.GenericAPIError{Code: "RequestThrottled"}), errNoAnswer,
	} {
		got := unavailable(fmt.Errorf("send: %w", err))
		require.ErrorIs(t, got, driver.ErrUnavailable)
		require.ErrorIs(t, got, err)
	}
	for _, err := range []error{
		driver.ErrClosed, ErrNotStored, &smithyhttp.RequestSendError{Err: &tls.CertificateVerificationError{Err: io.EOF}}, answered(403, &smithy.GenericAPIError{Code: "AccessDenied"}), answered(400, &types.QueueDoesNotExist{}), errors.New("no EC2 IMDS role found"),
	} {
		require.NotErrorIs(t, unavailable(err), driver.ErrUnavailable, "%v", err)
	}
	require.NoError(t, unavailable(nil))
	require.ErrorIs(t, failed(types.BatchResultErrorEntry{Code: aws.String("InternalError")}).err, driver.ErrUnavailable)
	require.NotErrorIs(t, failed(types.BatchResultErrorEntry{Code: aws.String("AccessDenied"), SenderFault: true}).err, driver.ErrUnavailable)
}
