package runtime

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func tasksWithoutID(n int) []*Task {
	tasks := make([]*Task, n)
	for i := range tasks {
		tasks[i] = new(Task)
	}
	return tasks
}

func takeIDs(s ids, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s.next()
	}
	return all
}

func TestIDsAreUUIDv7OfNow(t *testing.T) {
	before := time.Now().Add(-time.Second)
	for _, id := range takeIDs(newIDs(tasksWithoutID(200)), 200) {
		u, err := uuid.Parse(id)
		require.NoError(t, err)
		assert.Equal(t, u.String(), id)
		assert.Equal(t, uuid.Version(7), u.Version())
		assert.Equal(t, uuid.RFC4122, u.Variant())
		made := time.Unix(u.Time().UnixTime())
		assert.WithinRange(t, made, before, time.Now().Add(time.Minute))
	}
}

func TestIDsSortInTheOrderTheyWereMade(t *testing.T) {
	var all []string
	for _, n := range []int{1, 70, 5000, 1, 1, 64, 65} {
		all = append(all, takeIDs(newIDs(tasksWithoutID(n)), n)...)
	}
	assert.True(t, slices.IsSorted(all))
	assert.Len(t, slices.Compact(slices.Clone(all)), len(all))
}

func TestIDsOfManyGoroutinesDiffer(t *testing.T) {
	var (
		mu  sync.Mutex
		wg  sync.WaitGroup
		all = make(map[string]bool)
	)
	for range 8 {
		wg.Go(func() {
			for range 50 {
				made := takeIDs(newIDs(tasksWithoutID(10)), 10)
				mu.Lock()
				for _, id := range made {
					all[id] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Len(t, all, 8*50*10)
}

func TestIDsAreMadeForTasksWithoutOneOnly(t *testing.T) {
	made := newIDs([]*Task{{ID: "a"}, {}, nil, {ID: "b"}})
	assert.Len(t, made.text, idLen)
	assert.Empty(t, newIDs([]*Task{{ID: "a"}}).text)
}

func TestIDsOfABatchCostOneAllocation(t *testing.T) {
	tasks := tasksWithoutID(100)
	assert.LessOrEqual(t, testing.AllocsPerRun(20, func() { newIDs(tasks) }), 2.0, "one; the race detector adds one")
}

func BenchmarkNewIDs(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tasks := tasksWithoutID(n)
			b.ReportAllocs()
			for b.Loop() {
				newIDs(tasks)
			}
		})
	}
	b.Run("OneOfTheLibrary", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			uuid.Must(uuid.NewV7())
		}
	})
}
