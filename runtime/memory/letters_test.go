package memory_test

import (
	"testing"

	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/dlq/storetest"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestLettersKeepWhatATaskStorePromises(t *testing.T) {
	storetest.Run(t, func(testing.TB) dlq.TaskStore { return memory.NewLetters() })
}
