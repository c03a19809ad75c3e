package sqs

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/queuetest"
)

func TestMain(m *testing.M) {
	queuetest.Child(standardHarness, fifoHarness, priorityHarness, standardFake, fifoFake, priorityFake, visibilityFake)
	goleak.VerifyTestMain(stopping{m})
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
