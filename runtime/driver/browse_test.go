package driver_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestPagedComesToAllInOrderAndEndsWithTheError(t *testing.T) {
	errNo := errors.New("no")
	for name, c := range map[string]struct {
		pages  [][]int
		err    error // in place of a page behind them
		stop   int   // break the loop at this item
		want   []int
		asked  int
		failed bool
	}{
		"none":                  {pages: [][]int{{}}, asked: 1},
		"one page":              {pages: [][]int{{1, 2}}, want: []int{1, 2}, asked: 1},
		"an empty one between":  {pages: [][]int{{1}, {}, {2, 3}}, want: []int{1, 2, 3}, asked: 3},
		"an error":              {pages: [][]int{{1}}, err: errNo, want: []int{1, 0}, asked: 2, failed: true},
		"a loop that ends":      {pages: [][]int{{1, 2}, {3}}, stop: 1, want: []int{1}, asked: 1},
		"at the end of a page":  {pages: [][]int{{1, 2}, {3}}, stop: 2, want: []int{1, 2}, asked: 1},
		"an error and no items": {err: errNo, want: []int{0}, asked: 1, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			asked, failed := 0, false
			list := func(cursor string) ([]int, string, error) {
				asked++
				at := 0
				if cursor != "" {
					at, _ = strconv.Atoi(cursor)
				}
				switch {
				case at == len(c.pages):
					return []int{99}, "", c.err
				case at+1 == len(c.pages) && c.err == nil:
					return c.pages[at], "", nil
				}
				return c.pages[at], strconv.Itoa(at + 1), nil
			}
			var got []int
			for item, err := range driver.Paged(list) {
				assert.False(t, failed, "the error is the last")
				if got = append(got, item); err != nil {
					assert.ErrorIs(t, err, c.err)
					failed = true
				}
				if item == c.stop && c.stop > 0 {
					break
				}
			}
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.asked, asked)
			assert.Equal(t, c.failed, failed)
		})
	}
}

// mute is a queue that can do nothing but say what it is called.
type mute struct{ driver.Queue }

func (mute) Config() driver.QueueConfig { return driver.QueueConfig{Name: "mute"} }

func TestBrowseAllOfAQueueThatCannotListItsTasks(t *testing.T) {
	n := 0
	for task, err := range driver.BrowseAll(t.Context(), mute{}, driver.Dead) {
		assert.Nil(t, task)
		assert.ErrorIs(t, err, driver.ErrUnsupported)
		n++
	}
	assert.Equal(t, 1, n)
}
