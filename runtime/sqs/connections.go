package sqs

import (
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// maxIdle is how many idle connections the client keeps: at least the largest number of
// polls and settling workers. With Go's 2, or the SDK's 10, a busy process would open a
// new connection for every other request.
const maxIdle = 256

// ownConnections makes a client with the settings of the SDK's client, which cannot
// close its idle connections.
func ownConnections(sdks *awshttp.BuildableClient) *http.Client {
	t := sdks.GetTransport()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = max(t.MaxIdleConns, maxIdle), max(t.MaxIdleConnsPerHost, maxIdle)
	return &http.Client{
		Transport: t,
		Timeout:   sdks.GetTimeout(),
		// SQS never redirects, and no other host may see how a request is signed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
