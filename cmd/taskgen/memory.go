package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// memory is what a run may take before it collects garbage: a run is short,
	// and for a package of 200 tasks it ends before.
	memory = 200 << 20
	// crowded is how much of it may be in use after a collection. With more, the
	// next one would come too soon.
	crowded = memory * 2 / 3
)

// tuneMemory has garbage collected when memory is full and not before, and on a run
// that is too large for that as in any other program. The variables GOGC and
// GOMEMLIMIT have precedence.
func tuneMemory() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(memory)
	debug.SetGCPercent(-1)
	afterCollection(func() (again bool) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if live[0].Value.Uint64() < crowded {
			return true
		}
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		return false
	})
}

// afterCollection calls f after the next garbage collection, and after those that
// follow as long as it returns true.
func afterCollection(f func() (again bool)) {
	garbage := new(*byte) // small objects without pointers are collected together
	runtime.AddCleanup(garbage, func(struct{}) {
		if f() {
			afterCollection(f)
		}
	}, struct{}{})
}
