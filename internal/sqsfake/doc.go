// Package sqsfake is Amazon SQS in one process, for tests: an http.Handler that
// speaks the AWS JSON protocol as the AWS SDKs do. It keeps time by a
// [runtime.Clock], so that a test can move twelve hours at once; a [Hook] makes
// it throttle, fail, drop connections and answer late; and its queues outlive
// its listener, as those of a broker that is restarted do.
//
// It behaves as AWS does where AWS' behaviour is on record, to the error codes.
// Where AWS leaves something open (a receipt handle that a later receive has
// replaced, the order of a standard queue), it takes the answer that is hardest
// on a client. The tests of this package run one list of checks on it and on
// the emulators fauxqs and local-aws-sqs.
//
// What AWS does and it does not: the query protocol, permissions (AddPermission,
// RemovePermission, signatures), encryption, the delivery of a message twice
// without cause, counts that lag behind.
package sqsfake
