package measure_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

func TestTypesThatNobodyDeclaresShareOneLabel(t *testing.T) {
	var ts measure.Types
	assert.Equal(t, measure.Unknown, ts.Label("welcome"))
	ts.Learn("welcome", "invoice")
	ts.Learn()
	assert.Equal(t, "welcome", ts.Label("welcome"))
	assert.Equal(t, "invoice", ts.Label("invoice"))
	assert.Equal(t, measure.Unknown, ts.Label("made-up-4711"))
}

func TestAnAliasHasTheLabelOfItsType(t *testing.T) {
	var ts measure.Types
	ts.LearnType(observe.Type{Name: "welcome", Aliases: []string{"hello", "greeting"}})
	for _, name := range []string{"welcome", "hello", "greeting"} {
		assert.Equal(t, "welcome", ts.Label(name))
	}
}

func TestTypesAreLearnedWhileOthersAskForThem(t *testing.T) {
	var ts measure.Types
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
