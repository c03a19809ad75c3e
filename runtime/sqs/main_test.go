package sqs

import (
	"flag"
	goruntime "runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/drivertest"
)

func TestMain(m *testing.M) {
	drivertest.Child(harnesses...)
	runSideBySide()
	goleak.VerifyTestMain(stopping{m})
}

// runSideBySide has twice as many tests run at the same time as there are processors, where
// the command line does not say how many: most of their time is spent on waiting.
func runSideBySide() {
	flag.Parse()
	sendRaw := false
	flag.Visit(func(f *flag.Flag) { sendRaw = sendRaw || f.Name == "test.parallel" })
	if !sendRaw {
		_ = flag.Set("test.parallel", strconv.Itoa(2*goruntime.GOMAXPROCS(0))) // it is a number
	}
}

// stopping stops the emulator, if a test has started it.
type stopping struct{ *testing.M }

func (m stopping) Run() int {
	code := m.M.Run()
	if s, err := emulator(); err == nil && s.Stop() != nil {
		code = max(code, 1)
	}
	return code
}
