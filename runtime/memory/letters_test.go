package memory

import (
	"testing"

	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/dlq/storetest"
)

func TestLettersKeepWhatATaskStorePromises(t *testing.T) {
	storetest.Run(t, func(testing.TB) dlq.TaskStore { return NewLetters() })
}
