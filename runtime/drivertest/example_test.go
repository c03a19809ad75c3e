package drivertest_test

import (
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
	"github.com/taskgen/taskgen/runtime/memory"
)

// The author of a provider gives the suite a Harness. This is the one of the
// memory provider, which passes it.
func ExampleRun() {
	harness := drivertest.Harness{
		Name: "memory",
		Home: drivertest.InProcess,
		Data: func(tb testing.TB) string { return tb.Name() },
		Open: func(_ string, clock driver.Clock) (runtime.Provider, error) {
			return memory.New(memory.WithClock(clock)), nil
		},
		UsesClock: true,
		Downgrades: map[drivertest.Law]string{
			drivertest.NothingIsLost: "tasks live in the process and die with it",
			// and so on for each law that such a test belongs to
		},
	}
	test := func(t *testing.T) { drivertest.Run(t, harness) } // func TestProviderKeepsTheLaws
	_ = test
}
