package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryCollectionIsLookedAtUntilThereIsNoNeed(t *testing.T) {
	calls := make(chan int)
	n := 0
	afterCollection(func() bool {
		n++
		calls <- n
		return n < 2
	})
	for want := 1; want <= 2; want++ {
		require.Equal(t, want, afterCollections(calls))
	}
}

// afterCollections collects garbage until a call comes: the next one is asked for a
// moment after the last, and a collection may come between.
func afterCollections(calls <-chan int) int {
	for {
		runtime.GC()
		select {
		case n := <-calls:
			return n
		case <-time.After(time.Millisecond):
		}
	}
}
