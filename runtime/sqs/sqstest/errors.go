package sqstest

import "fmt"

// An Error is an answer of SQS that refuses a request or one entry of a batch.
type Error struct {
	// Type is the name of the error's shape, as in QueueDoesNotExist.
	Type string
	// Code is what clients of the older query protocol know the error by, and
	// what the code of a batch entry is. Empty: the same as Type.
	Code string
	// Status is the HTTP status. 0: 400.
	Status int
	// Message says what is wrong.
	Message string
}

func (e *Error) code() string {
	if e.Code != "" {
		return e.Code
	}
	return e.Type
}

func (e *Error) status() int {
	if e.Status != 0 {
		return e.Status
	}
	return 400
}

// senderFault reports whether sending the same again would fail again.
func (e *Error) senderFault() bool { return e.status() < 500 }

// Throttled is the answer to a client that asks too often.
func Throttled() *Error {
	return &Error{Type: "RequestThrottled", Status: 403, Message: "Rate exceeded."}
}

// Unavailable is the answer of a service that is in trouble: HTTP status 503.
func Unavailable() *Error {
	return &Error{Type: "ServiceUnavailable", Status: 503, Message: "The service is unavailable. Try again later."}
}

// InternalError is the answer of a service that broke on the way: HTTP status
// 500.
func InternalError() *Error {
	return &Error{Type: "InternalFailure", Status: 500, Message: "The request processing has failed because of an unknown error."}
}

// simple returns an error whose code is its type in the namespace of SQS.
func simple(typ, format string, args ...any) *Error {
	return &Error{Type: typ, Code: "AWS.SimpleQueueService." + typ, Message: fmt.Sprintf(format, args...)}
}

func invalidParameter(format string, args ...any) *Error {
	return &Error{Type: "InvalidParameterValueException", Code: "InvalidParameterValue", Message: fmt.Sprintf(format, args...)}
}

// outOfRange is an invalid parameter, in the words that AWS uses for most.
func outOfRange(parameter string, value any, reason string) *Error {
	return invalidParameter("Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

func missingParameter(name string) *Error {
	return &Error{
		Type: "MissingRequiredParameterException", Code: "MissingParameter",
		Message: "The request must contain the parameter " + name + ".",
	}
}

func invalidAttribute(name string) *Error {
	return &Error{Type: "InvalidAttributeName", Message: "Unknown Attribute " + name + "."}
}

func invalidValue(attribute, reason string) *Error {
	text := "Invalid value for the parameter " + attribute + "."
	if reason != "" {
		text += " Reason: " + reason
	}
	return &Error{Type: "InvalidAttributeValue", Message: text}
}

func noSuchQueue() *Error {
	return &Error{
		Type: "QueueDoesNotExist", Code: "AWS.SimpleQueueService.NonExistentQueue",
		Message: "The specified queue does not exist.",
	}
}

func noSuchResource(parameter string) *Error {
	return &Error{
		Type: "ResourceNotFoundException", Status: 404,
		Message: "The resource that you specified for the " + parameter + " parameter doesn't exist.",
	}
}

func badHandle(handle string) *Error {
	return &Error{
		Type: "ReceiptHandleIsInvalid", Status: 404,
		Message: fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", handle),
	}
}

func badContents() *Error {
	return &Error{
		Type:    "InvalidMessageContents",
		Message: "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
	}
}

func serialization(reason string) *Error {
	return &Error{Type: "SerializationException", Message: reason}
}
