package tasktest_test

import (
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

type ReceiptTask struct {
	Email string            `json:"email"`
	Vars  map[string]string `json:"vars"`
}

// As the generator writes it.
var ReceiptSpec = runtime.Spec[ReceiptTask]{Type: "receipt", Queue: "mail"}

func ExampleRoundTrip() {
	_ = func(t *testing.T) { // TestReceiptTaskTravels
		tasktest.RoundTrip(t, &ReceiptSpec)
	}
}
