package tracing

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// SchemaURL names the version of the OpenTelemetry conventions that the spans follow. The
// conventions for messaging are not stable yet, so a later version of this package may
// name things otherwise, under another URL.
const SchemaURL = "https://opentelemetry.io/schemas/1.45.0"

// scope is the name of the tracer.
const scope = "github.com/taskgen/taskgen/runtime/tracing"

// An operation is a kind of span. The name of a span is the operation's and the queue's.
type operation struct {
	name string // messaging.operation.name
	typ  string // messaging.operation.type
	kind trace.SpanKind
	what string // for the docs
}

var (
	send       = operation{"send", "send", trace.SpanKindProducer, "One enqueue, as far as it concerns one queue."}
	process    = operation{"process", "process", trace.SpanKindConsumer, "One run of a handler, with its middleware."}
	ack        = operation{"ack", "settle", trace.SpanKindClient, "One call that completed tasks, or took cancelled ones off their queue."}
	release    = operation{"release", "settle", trace.SpanKindClient, "One call that put tasks back: to be retried, snoozed, or not finished when the pool stopped."}
	deadLetter = operation{"dead_letter", "settle", trace.SpanKindClient, "One call that moved tasks to the dead letter queue."}
)

// operations are all kinds of spans, in the order of a task's life.
var operations = []*operation{&send, &process, &ack, &release, &deadLetter}

// The keys of all attributes.
const (
	keySystem      = attribute.Key("messaging.system")
	keyOperation   = attribute.Key("messaging.operation.name")
	keyType        = attribute.Key("messaging.operation.type")
	keyDestination = attribute.Key("messaging.destination.name")
	keyMessageID   = attribute.Key("messaging.message.id")
	keyBatchCount  = attribute.Key("messaging.batch.message_count")
	keyClientID    = attribute.Key("messaging.client.id")
	keyErrorType   = attribute.Key("error.type")

	keyExceptionType  = attribute.Key("exception.type")
	keyExceptionText  = attribute.Key("exception.message")
	keyExceptionStack = attribute.Key("exception.stacktrace")

	keyTaskType = attribute.Key("taskgen.task.type")
	keyAttempt  = attribute.Key("taskgen.task.attempt")
	keyCrashes  = attribute.Key("taskgen.task.crashes")
	keyOutcome  = attribute.Key("taskgen.task.outcome")
	keyLink     = attribute.Key("taskgen.link")
)

// What a link leads to: the values of taskgen.link.
const (
	linkProducer = "producer"
	linkPrevious = "previous_attempt"
	linkAttempt  = "attempt"
)

// eventException is the name of the event of an error.
const eventException = "exception"

// places is a set of kinds of spans, and of what is on them.
type places uint8

const (
	onSend places = 1 << iota
	onProcess
	onSettle
	onLink  // on links, of any span
	onEvent // on the exception event, of any span

	onSpans = onSend | onProcess | onSettle
)

// An entry says what an attribute is, and where it is.
type entry struct {
	key  attribute.Key
	on   places
	what string
}

// attributes are all attributes. Keys that begin with "taskgen." are ours, the others those
// of the conventions.
var attributes = []entry{
	{keySystem, onSpans, "The provider: `aws_sqs`, `rabbitmq`, `redis`, `nats`, `sqlite`, `memory`; the name of any other provider."},
	{keyOperation, onSpans, "The first word of the span's name."},
	{keyType, onSpans, "`send`, `process` or `settle`."},
	{keyDestination, onSpans, "The queue."},
	{keyMessageID, onSpans | onLink, "The ID of the task; on a span only if it is of one task."},
	{keyBatchCount, onSend | onSettle, "The number of tasks, if it is not 1."},
	{keyClientID, onProcess | onSettle, "The name of the pool (`PoolConfig.Name`), or of the caller of the [API](api.md) that runs the task."},
	{keyErrorType, onSpans, "The class of the error, if there is one; see below."},
	{keyTaskType, onSend | onProcess, "The type of the task; on a send span only if all its tasks are of one type."},
	{keyAttempt, onProcess, "The number of the run, from 1. A run that ended with its worker does not count."},
	{keyCrashes, onProcess, "How many earlier deliveries ended with their worker, if any did."},
	{keyOutcome, onProcess, "`completed`, `retried`, `dead`, `snoozed`, `released`, `cancelled`, or `abandoned` if the lease was lost."},
	{keyLink, onLink, "What the link leads to: `producer` (the send span), `previous_attempt` or `attempt` (process spans)."},
	{keyExceptionType, onEvent, "The value of `error.type`."},
	{keyExceptionText, onEvent, "The text of the error, at most 4 KiB."},
	{keyExceptionStack, onEvent, "The stack of a handler that panicked."},
}

// systems are the values of messaging.system for providers whose own name is another.
var systems = map[string]string{"sqs": "aws_sqs"}
