package command

import (
	"encoding/json"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taskgen/taskgen/cmd/taskq/internal/bench"
	"github.com/taskgen/taskgen/cmd/taskq/internal/doctor"
)

func TestDurationsHaveTheirTwoLargestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 3 * time.Millisecond: "3ms", 1500 * time.Millisecond: "1.5s", 90 * time.Second: "1m30s", time.Hour: "1h", 26*time.Hour + 10*time.Minute: "1d2h", -time.Minute: "-1m",
	} {
		assert.Equal(t, want, short(d))
	}
	now := time.Now()
	assert.Equal(t, "2m ago", from(now, timestamppb.New(now.Add(-2*time.Minute))))
	assert.Equal(t, "in 2m", from(now, timestamppb.New(now.Add(2*time.Minute))))
	assert.Equal(t, none, from(now, nil))
}

func TestPagesAreReadUntilThereAreEnough(t *testing.T) {
	read := func(limit int) (got []int, next string, asked []int32) {
		all := make([]int, 2500)
		for i := range all {
			all[i] = i
		}
		got, next, err := pages(limit, func(cursor string, size int32) ([]int, string, error) {
			asked = append(asked, size)
			at := len(cursor) // its length is the place
			end := min(at+int(size), len(all))
			if end == len(all) {
				return all[at:end], "", nil
			}
			return all[at:end], string(make([]byte, end)), nil
		})
		require.NoError(t, err)
		return got, next, asked
	}
	got, next, asked := read(0)
	assert.Len(t, got, 2500)
	assert.Empty(t, next)
	assert.Equal(t, []int32{1000, 1000, 1000}, asked)
	got, next, asked = read(1200)
	assert.Len(t, got, 1200)
	assert.NotEmpty(t, next)
	assert.Equal(t, []int32{1000, 200}, asked)
	lost := errors.New("lost")
	_, _, err := pages(0, func(string, int32) ([]int, string, error) { return nil, "", lost })
	require.ErrorIs(t, err, lost)
}

func TestASpanHasDaysAndIsPositive(t *testing.T) {
	var s span
	assert.Nil(t, s.message())
	require.NoError(t, s.Set("1d12h"))
	assert.Equal(t, 36*time.Hour, s.message().AsDuration())
	for _, wrong := range []string{"0s", "-1m", "soon", ""} {
		require.Error(t, new(span).Set(wrong), wrong)
	}
}

// Every command that is not a group has an example, and says what it prints as JSON, unless it
// prints none.
func TestEveryCommandIsDescribed(t *testing.T) {
	noJSON := []string{"taskq ctx use", "taskq ctx add", "taskq ctx rm", "taskq config check", "taskq config print", "taskq serve", "taskq top"}
	seen := 0
	root := newApp(nil, nil, nil, func(string) string { return "" }).root()
	for _, group := range append(root.Commands(), root) {
		for _, cmd := range group.Commands() {
			if cmd.HasSubCommands() {
				continue
			}
			path := cmd.CommandPath()
			assert.NotEmpty(t, cmd.Example, path)
			assert.NotEmpty(t, cmd.Short, path)
			if shapeOf(cmd) != "" {
				seen++
				assert.Contains(t, cmd.Long, shapeOf(cmd))
			} else {
				assert.Contains(t, noJSON, path)
			}
		}
	}
	assert.Equal(t, len(shapes)+len(ownShapes), seen, "a shape is of no command")
}

// Scripts rely on the names.
func TestTheFormsOfItsOwnAreThoseThatTaskqPrints(t *testing.T) {
	for path, printed := range map[string]any{
		"taskq task cancel": map[string]any{"tasks": []cancelled{{}}},
		"taskq doctor":      map[string]any{"findings": []doctor.Finding{{}}},
		"taskq bench":       bench.Result{},
		"taskq ctx ls":      map[string]any{"contexts": []shownContext{{}}},
		"taskq version":     build{Revision: "0a1b", Modified: true},
	} {
		text, err := json.Marshal(printed)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`"[a-zA-Z]+":`).FindAllString(string(text), -1) {
			assert.Contains(t, ownShapes[path], name, path)
		}
		assert.Contains(t, ownShapes, path)
	}
	assert.Len(t, ownShapes, 5)
}
