// Package boxtest tests the boxes of package dlq on the dead letter queues of one
// provider. Each provider's tests call Run.
package boxtest

import (
	"sync"
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Run runs every test of the suite as a subtest, on a queue of each type (standard, fifo,
// priority), or of the given types. Each test has its own provider without queues, which
// open makes, and closes and cleans up by tb.Cleanup.
func Run(t *testing.T, open func(tb testing.TB) runtime.Provider, types ...driver.QueueType) {
	if len(types) == 0 {
		types = []driver.QueueType{driver.Standard, runtime.FIFO, runtime.Priority}
	}
	// Tests of brokers wait for most of their time, so that more of them run side by
	// side than t.Parallel would allow.
	slots := make(chan struct{}, maxParallel)
	var tests sync.WaitGroup
	for _, kind := range types {
		for name, test := range map[string]func(*env){
			"pages hold each letter once, in the order of death":      listing,
			"a loop comes to each letter once, whatever it discards":  looping,
			"a filter chooses by each of its fields":                  filtering,
			"letters of another queue are left alone":                 telling,
			"groups hold what failed in one way":                      grouping,
			"show tells of each run and hides secrets":                showing,
			"a task is found by its ID, wherever it is":               finding,
			"an export is lines of JSON without secrets":              exporting,
			"one, some, a group and all are redriven":                 redriving,
			"a dry run moves none":                                    counting,
			"a redrive keeps to its rate":                             pacing,
			"a redrive that is broken off is gone on with":            resuming,
			"a redrive that is cut off in a call loses none":          cutting,
			"what dies while a redrive runs is left alone":            dying,
			"what died now or by a clock that is ahead is redriven":   ahead,
			"a letter whose ID is on the queue again":                 meeting,
			"an edited payload is held to its schema":                 editing,
			"what is discarded is gone for good":                      discarding,
			"letters that have been dead for too long are discarded":  retaining,
			"a redriven letter that dies again says how often it did": returning,
			"what became of a letter is told no more once it is back": forgetting,
			"what was read is touched, and no later death of it":      refencing,
			"a filter chooses no later death of what it has chosen":   choosing,
			"letters that are edited beside a worker are all there":   racing,
			"two who work on the same letters run each of them once":  competing,
		} {
			tests.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				t.Run(string(kind)+"/"+name, func(t *testing.T) { test(newEnv(t, open(t), kind)) })
			})
		}
	}
	tests.Wait()
}

// maxParallel is how many tests of the suite run at the same time.
const maxParallel = 12
