package sqs

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/queuetest"
)

func TestMain(m *testing.M) {
	queuetest.Child(standard)
	goleak.VerifyTestMain(m)
}
