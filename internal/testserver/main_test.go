//go:build unix

package testserver

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// envParent makes a copy of the test binary the parent of a server, for the test
// that kills it.
const envParent = "TESTSERVER_TEST_PARENT"

// kinds are the servers, by name.
var kinds = map[string]func() (*Server, error){
	"redis":    func() (*Server, error) { return Redis() },
	"rabbitmq": func() (*Server, error) { return RabbitMQ() },
	"nats":     func() (*Server, error) { return NATS() },
	"sqs":      SQS,
}

func TestMain(m *testing.M) {
	if kind := os.Getenv(envParent); kind != "" {
		parent(kind)
	}
	goleak.VerifyTestMain(m)
}

// A trace is what a server has of the machine.
type trace struct {
	Dir  string
	PIDs []int
}

// traceOf looks while the server runs.
func traceOf(s *Server) trace {
	t := trace{s.dir, []int{s.guard.pid}}
	for _, d := range s.daemons {
		t.PIDs = append(t.PIDs, d.pid)
	}
	return t
}

// parent starts a server, says what it has, and waits to be killed.
func parent(kind string) {
	s, err := kinds[kind]()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(traceOf(s)); err != nil {
		os.Exit(1)
	}
	select {}
}
