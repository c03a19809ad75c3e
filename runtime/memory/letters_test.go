package memory_test

import (
	"testing"

	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/drivertest/taskstoretest"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestLettersKeepWhatATaskStorePromises(t *testing.T) {
	taskstoretest.Run(t, func(testing.TB) dlq.TaskStore { return memory.NewLetters() })
}
