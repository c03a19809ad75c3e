// Package sqstest is Amazon SQS in one process, for tests: an http.Handler that
// speaks the AWS JSON protocol as the AWS SDKs do. It keeps time by a
// [driver.Clock], so that a test can move twelve hours at once; a [Hook] makes
// it throttle, fail, drop connections and answer late; and its queues outlive
// its listener, as those of a broker that is restarted do.
//
// It behaves as AWS does where AWS' behaviour is on record, to the error codes.
// Where AWS leaves open what becomes of a receipt handle that a later receive has
// replaced, it takes the answer that is hardest on a client: it accepts the
// handle of a standard queue and does nothing. The tests of this package run one
// list of checks on it and on the emulators fauxqs and local-aws-sqs.
//
// What AWS does and it does not: the query protocol, policies (AddPermission,
// RemovePermission; what is allowed on a queue a test says by Server.Permit),
// signatures, encryption. The liberties of AWS it takes only where a test asks for them:
// to shuffle the messages of a standard queue (Server.Shuffle) and to deliver one twice
// without cause (Server.DeliverTwice), to return nothing to a short poll while there is
// something (Fault.Empty), and to let counts lag behind (Server.TrailCounts,
// Server.HoldCounts).
package sqstest
