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
			"pages hold each letter once, in the order of death":                      listing,
			"a loop visits each letter once, whatever it discards":                    looping,
			"each field of a filter selects":                                          filtering,
			"letters of another queue are not touched":                                telling,
			"a group holds the letters with the same failure":                         grouping,
			"Show returns each run and hides secrets":                                 showing,
			"a task is found by its ID, wherever it is":                               finding,
			"an export is lines of JSON without secrets":                              exporting,
			"one, some, a group and all are redriven":                                 redriving,
			"a dry run moves nothing":                                                 counting,
			"a redrive keeps to its rate":                                             pacing,
			"an interrupted redrive can be continued":                                 resuming,
			"a redrive that is cut off in a call loses no letter":                     cutting,
			"a task that dies during a redrive is not touched":                        dying,
			"a letter that died just now, or by a clock that is ahead, is redriven":   ahead,
			"a letter whose ID is on the queue again stays, if the queue refuses IDs": meeting,
			"an edited payload must match its schema":                                 editing,
			"discarded letters are gone for good":                                     discarding,
			"letters that have been dead for too long are discarded":                  retaining,
			"a redriven letter that dies again counts its redrives":                   returning,
			"the outcome of a letter is forgotten once it is redriven":                forgetting,
			"the deaths that were read are changed, and no later ones":                refencing,
			"a filter does not select a later death of a selected letter":             choosing,
			"letters that are edited while a worker runs are all there":               racing,
			"two redrives of the same letters run each of them once":                  competing,
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
