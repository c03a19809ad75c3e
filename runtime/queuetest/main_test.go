package queuetest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Child(faultyFiles()...)
	goleak.VerifyTestMain(m)
}
