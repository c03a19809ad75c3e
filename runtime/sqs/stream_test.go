package sqs

import (
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// bodies keeps the bodies of requests that were answered.
type bodies struct {
	*http.Client
	all chan io.Reader
}

func (b *bodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		b.all <- r.Body
	}
	return b.Client.Do(r)
}

// TestABodyThatIsClosedHasAnEnd looks for the end of bodies as net/http does, which may do so
// after the SDK has closed them. That is a matter of microseconds, so it is not left to chance.
func TestABodyThatIsClosedHasAnEnd(t *testing.T) {
	t.Parallel()
	fake := sqstest.New(nil)
	require.NoError(t, fake.Start())
	t.Cleanup(fake.Stop)
	sent := &bodies{new(http.Client), make(chan io.Reader, 1000)}
	t.Cleanup(sent.CloseIdleConnections)
	p, err := New(awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(fake.URL()), HTTPClient: sent,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	q := openQueue(t, p, driver.QueueConfig{})
	put(t, q, "a")
	require.NoError(t, q.Complete(within(t), take(t, q, 1)))
	require.NoError(t, p.Close())
	require.GreaterOrEqual(t, len(sent.all), 5)
	for len(sent.all) > 0 {
		n, err := io.Copy(io.Discard, <-sent.all)
		require.NoError(t, err)
		require.Zero(t, n)
	}
}
