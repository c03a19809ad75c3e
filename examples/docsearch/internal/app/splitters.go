package app

import (
	"fmt"
	"sync/atomic"

	"github.com/taskgen/taskgen/examples/docsearch/internal/split"
)

// lateSplitter is off when the demo starts, as a feature is that has not been
// rolled out to this worker yet.
const lateSplitter = "windows"

// splitters are the ways to cut documents that this worker has.
type splitters struct{ late atomic.Bool }

func newSplitters() *splitters { return new(splitters) }

// rollOut switches the late splitter on.
func (s *splitters) rollOut() { s.late.Store(true) }

func (s *splitters) find(name string) (split.Splitter, error) {
	switch {
	case name == split.DefaultSplitter:
		return split.Headings, nil
	case name == lateSplitter && s.late.Load():
		return split.Windows, nil
	}
	return nil, fmt.Errorf("this worker has no splitter %q switched on", name)
}
