package sqs

import (
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// maxIdle is how many idle connections are kept at least: as many as there are polls and
// settling workers at most. Go's own 2, and the SDK's 10, would have a busy
// process make a new connection for every other request.
const maxIdle = 256

// ownConnections makes a client with the settings of the SDK's. That one has no way to
// close its idle connections.
func ownConnections(sdks *awshttp.BuildableClient) *http.Client {
	t := sdks.GetTransport()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = max(t.MaxIdleConns, maxIdle), max(t.MaxIdleConnsPerHost, maxIdle)
	return &http.Client{
		Transport: t,
		Timeout:   sdks.GetTimeout(),
		// SQS redirects nobody, and no other host is to see how a request is signed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
