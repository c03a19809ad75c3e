// Package sqstest is Amazon SQS in one process, for tests: an http.Handler that
// speaks the AWS JSON protocol as the AWS SDKs do. It keeps time by a
// [driver.Clock], so that a test can move twelve hours at once; a [Hook] makes
// it throttle, fail, drop connections and answer late; and its queues outlive
// its listener, as those of a broker that is restarted do.
//
// It behaves as AWS does where the behaviour of AWS is known, down to the error codes.
// AWS leaves open what happens to a receipt handle that a later receive has replaced.
// Here the choice is the hardest one for a client: the server accepts the handle of a
// standard queue and does nothing. The tests of this package run one list of checks on it
// and on the emulators fauxqs and local-aws-sqs.
//
// It does not implement the query protocol, policies (AddPermission, RemovePermission;
// a test sets what is allowed on a queue with Server.Permit), signatures and encryption.
// Some things that AWS may do at any time happen only when a test asks for them: the
// messages of a standard queue are shuffled (Server.Shuffle), one is delivered twice
// without cause (Server.DeliverTwice), a short poll returns nothing although there are
// messages (Fault.Empty), counts lag behind (Server.TrailCounts, Server.HoldCounts).
package sqstest
