package drivertest

import (
	"flag"
	goruntime "runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Child(faultyFiles()...)
	flag.Parse()
	// These tests wait for most of their time, as those of [Run] do.
	parallel := flag.Lookup("test.parallel")
	if parallel.Value.String() == parallel.DefValue {
		if err := parallel.Value.Set(strconv.Itoa(max(minParallel, goruntime.GOMAXPROCS(0)))); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
