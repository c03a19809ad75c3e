package tasktest_test

import (
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

type WelcomeTask struct {
	Email string            `json:"email"`
	Vars  map[string]string `json:"vars"`
}

// As the generator writes it.
var WelcomeSpec = runtime.Spec[WelcomeTask]{Type: "welcome", Queue: "mail"}

func ExampleRoundTrip() {
	_ = func(t *testing.T) { // TestWelcomeTaskTravels
		tasktest.RoundTrip(t, &WelcomeSpec)
	}
}
