package sqstest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// raw makes a call without the SDK and returns the type of its error.
func raw(t testing.TB, w *env, target, body string) (status int, typ string, header http.Header) {
	t.Helper()
	recorder := httptest.NewRecorder()
	w.fake.ServeHTTP(recorder, request(target, body))
	return recorder.Code, errorType(t, recorder), recorder.Header()
}

func request(target, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", target)
	return r
}

func errorType(t testing.TB, recorder *httptest.ResponseRecorder) string {
	t.Helper()
	if recorder.Code == http.StatusOK {
		return ""
	}
	var answer struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer), "%s", recorder.Body)
	assert.NotEmpty(t, answer.Message)
	return answer.Type
}

// hurried is a clock on which everything is due at once.
type hurried struct{ driver.Clock }

func (h hurried) AfterFunc(_ time.Duration, f func()) driver.Timer { return h.Clock.AfterFunc(0, f) }

// FuzzRequests feeds bodies to every operation, on queues that hold a message. An
// answer is either that of the operation or an error with a type; nothing panics.
func FuzzRequests(f *testing.F) {
	operations := []string{
		"CreateQueue", "GetQueueUrl", "DeleteQueue", "PurgeQueue", "GetQueueAttributes", "SetQueueAttributes", "ListQueues",
		"ListDeadLetterSourceQueues", "TagQueue", "UntagQueue", "ListQueueTags", "SendMessage", "SendMessageBatch", "ReceiveMessage",
		"DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "StartMessageMoveTask",
		"ListMessageMoveTasks", "CancelMessageMoveTask",
	}
	for i, body := range []string{
		`{"QueueName":"b","Attributes":{"DelaySeconds":"1","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:a\",\"maxReceiveCount\":1}"}}`,
		`{"QueueUrl":"http://x/a.fifo","MessageBody":"x","MessageGroupId":"g","MessageDeduplicationId":"d"}`,
		`{"QueueUrl":"/a","Entries":[{"Id":"1","MessageBody":"x","DelaySeconds":0,"MessageAttributes":{"n":{"DataType":"Number","StringValue":"1"}}},{"Id":"2","MessageBody":"\u0001"}]}`,
		`{"QueueUrl":"/a","MaxNumberOfMessages":10,"WaitTimeSeconds":20,"VisibilityTimeout":0,"MessageAttributeNames":["a.*"],"ReceiveRequestAttemptId":"x"}`,
		`{"QueueUrl":"/a","Entries":[{"Id":"1","ReceiptHandle":"YSBiIDE=","VisibilityTimeout":1}]}`,
		`{"QueueUrl":"/a","Attributes":{"RedriveAllowPolicy":"{}","Policy":"","FifoQueue":"true"}}`,
		`{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:a","DestinationArn":"","MaxNumberOfMessagesPerSecond":1}`,
		`{"TaskHandle":"YSBi","MaxResults":1,"NextToken":"YQ=="}`,
		`[]`, `null`, `{"QueueUrl":1}`, "",
	} {
		for n := range operations {
			if n%len(operations) == i || i < 8 {
				f.Add(uint8(n), body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, operation uint8, body string) {
		fake := sqstest.New(hurried{driver.SystemClock})
		for _, call := range [][2]string{
			{"CreateQueue", `{"QueueName":"a"}`},
			{"CreateQueue", `{"QueueName":"a.fifo","Attributes":{"FifoQueue":"true"}}`},
			{"CreateQueue", `{"QueueName":"c","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:a\",\"maxReceiveCount\":1}"}}`},
			{"SendMessage", `{"QueueUrl":"/a","MessageBody":"x"}`},
			{"SendMessage", `{"QueueUrl":"/a.fifo","MessageBody":"x","MessageGroupId":"g","MessageDeduplicationId":"e"}`},
		} {
			recorder := httptest.NewRecorder()
			fake.ServeHTTP(recorder, request("AmazonSQS."+call[0], call[1]))
			require.Equal(t, http.StatusOK, recorder.Code, "%s", recorder.Body)
		}
		for range 2 { // what the first call left, the second meets
			recorder := httptest.NewRecorder()
			fake.ServeHTTP(recorder, request("AmazonSQS."+operations[int(operation)%len(operations)], body))
			if typ := errorType(t, recorder); recorder.Code != http.StatusOK {
				require.True(t, strings.HasPrefix(typ, "com.amazonaws.sqs#"), typ)
			}
		}
	})
}
