package main

import (
	"runtime"
	"testing"

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
		runtime.GC()
		require.Equal(t, want, <-calls)
	}
}
