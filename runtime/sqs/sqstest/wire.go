package sqstest

// The shapes of requests and answers. A pointer tells a member that is absent
// from one that is zero: the SDK for Go leaves zero integers out, and SQS then
// takes the default of the queue.

type attributeValue struct {
	DataType    string  `json:",omitempty"`
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

type createQueueRequest struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string `json:"tags"`
}

type queueURL struct {
	URL string `json:"QueueUrl"`
}

type getQueueURLRequest struct {
	QueueName string
}

type getAttributesRequest struct {
	queueURL
	AttributeNames []string
}

type getAttributesAnswer struct {
	Attributes map[string]string `json:",omitempty"`
}

type setAttributesRequest struct {
	queueURL
	Attributes map[string]string
}

type listQueuesRequest struct {
	queueURL        // of the dead letter queue, in ListDeadLetterSourceQueues
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string
}

type listQueuesAnswer struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

type listSourcesAnswer struct {
	QueueURLs []string `json:"queueUrls"`
	NextToken string   `json:",omitempty"`
}

type tagsRequest struct {
	queueURL
	Tags    map[string]string
	TagKeys []string
}

type tagsAnswer struct {
	Tags map[string]string `json:",omitempty"`
}

type sendRequest struct {
	queueURL
	sendEntry
}

type sendEntry struct {
	ID                      string `json:"Id"`
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]attributeValue
	MessageSystemAttributes map[string]attributeValue
	MessageGroupID          *string `json:"MessageGroupId"`
	MessageDeduplicationID  *string `json:"MessageDeduplicationId"`
}

type sendAnswer struct {
	ID                           string `json:"Id,omitempty"`
	MessageID                    string `json:"MessageId"`
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
	SequenceNumber               string `json:",omitempty"`
}

type batchRequest[E any] struct {
	queueURL
	Entries []E
}

type batchAnswer[A any] struct {
	Successful []A
	Failed     []failedEntry
}

type failedEntry struct {
	ID          string `json:"Id"`
	Code        string
	Message     string `json:",omitempty"`
	SenderFault bool
}

type receiveRequest struct {
	queueURL
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	ReceiveRequestAttemptID     string `json:"ReceiveRequestAttemptId"`
}

type receiveAnswer struct {
	Messages []receivedMessage `json:",omitempty"`
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	MD5OfMessageAttributes string                    `json:",omitempty"`
	Attributes             map[string]string         `json:",omitempty"`
	MessageAttributes      map[string]attributeValue `json:",omitempty"`
}

type deleteRequest struct {
	queueURL
	handleEntry
}

type visibilityRequest struct {
	queueURL
	handleEntry
}

// handleEntry is one message to delete or to change the visibility of.
type handleEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

type entryID struct {
	ID string `json:"Id"`
}

type startMoveRequest struct {
	SourceArn                    string
	DestinationArn               string
	MaxNumberOfMessagesPerSecond *int
}

type moveHandle struct {
	TaskHandle string
}

type listMovesRequest struct {
	SourceArn  string
	MaxResults *int
}

type listMovesAnswer struct {
	Results []moveResult `json:",omitempty"`
}

type moveResult struct {
	TaskHandle                        string `json:",omitempty"`
	Status                            string
	SourceArn                         string
	DestinationArn                    string `json:",omitempty"`
	MaxNumberOfMessagesPerSecond      int    `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int
	ApproximateNumberOfMessagesToMove int
	FailureReason                     string `json:",omitempty"`
	StartedTimestamp                  int64
}

type cancelMoveAnswer struct {
	ApproximateNumberOfMessagesMoved int
}
