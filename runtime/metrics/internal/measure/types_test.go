package measure

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

func TestTypesThatNobodyDeclaresShareOneLabel(t *testing.T) {
	var ts Types
	assert.Equal(t, Unknown, ts.Label("welcome"))
	ts.Learn("welcome", "invoice")
	ts.Learn()
	assert.Equal(t, "welcome", ts.Label("welcome"))
	assert.Equal(t, "invoice", ts.Label("invoice"))
	assert.Equal(t, Unknown, ts.Label("made-up-4711"))
}

func TestAnAliasHasTheLabelOfItsType(t *testing.T) {
	var ts Types
	run := func(task, handler string) *observe.Run {
		return &observe.Run{Type: handler, Task: &driver.Task{Type: task}}
	}
	ts.LearnAlias(run("hello", "welcome"))
	assert.Equal(t, Unknown, ts.Label("hello"), "nobody declares the type")
	ts.Learn("welcome", "invoice")
	ts.LearnAlias(run("hello", "welcome"))
	assert.Equal(t, "welcome", ts.Label("hello"))
	ts.LearnAlias(run("invoice", "welcome"))
	assert.Equal(t, "invoice", ts.Label("invoice"), "a declared type is no alias")
	ts.LearnAlias(run("welcome", "welcome"))
	assert.Equal(t, "welcome", ts.Label("welcome"))
}

func TestTypesAreLearnedWhileOthersAskForThem(t *testing.T) {
	var ts Types
	ts.Learn("welcome")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if ts.Label("welcome") != "welcome" {
					t.Error("a known type is forgotten")
					return
				}
			}
		})
		wg.Go(func() { ts.Learn("a", "b") })
	}
	wg.Wait()
	assert.Equal(t, "b", ts.Label("b"))
}
