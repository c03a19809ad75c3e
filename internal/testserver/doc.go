// Package testserver starts the brokers that taskgen's tests, demo and
// benchmarks talk to: the real servers, as child processes on loopback, on ports
// of their own, with their data in a temporary folder.
//
//	server, err := testserver.Redis()
//	…
//	defer server.Stop()
//	client := redis.Dial(server.URL)
//
// A server ends with the process that started it, however that ends: a guard
// process waits for it to go, kills what it left running and removes the data.
// So a test binary may share one server among its tests and leave it to its end.
// No goroutine stays behind, and goleak has nothing to complain about.
//
// Where an environment variable names a server that runs already, that one is
// used: TASKGEN_TEST_REDIS_URL, TASKGEN_TEST_RABBITMQ_URL, TASKGEN_TEST_NATS_URL
// and TASKGEN_TEST_SQS_ENDPOINT. Such a server is nobody's to kill or to restart.
//
// A server that cannot be found is an error which says how to get it. Nothing is
// skipped.
package testserver
