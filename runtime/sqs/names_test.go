package sqs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// With one prefix, what check lets pass never meets a name that derives from another
// queue's.
func TestNamesOfDifferentQueuesDiffer(t *testing.T) {
	t.Parallel()
	texts := []string{"a", "a-", "-a", "a-p1", "a--p1", "a---p1", "p1", "-p1", "later", "a-later", "a--later", "-", "--", "a_", "a_-p1"}
	for _, prefix := range []string{"", "a", "a-", "a--", "-", "prod-"} {
		owner := make(map[string]string)
		add := func(name, of string) {
			was, taken := owner[name]
			assert.False(t, taken && was != of, "with the prefix %q: %s is a name of %s and of %s", prefix, name, was, of)
			owner[name] = of
		}
		for _, name := range texts {
			n := names{prefix, name}
			if n.check() != nil {
				continue
			}
			for _, derived := range []string{n.standard(), n.fifo(), n.later(), n.level(1), n.level(11)} {
				add(derived, name)
			}
		}
	}
	require.ErrorIs(t, names{"", "prio--p1"}.check(), driver.ErrInvalidQueue)
	require.ErrorIs(t, names{"prod-", "-eu"}.check(), driver.ErrInvalidQueue)
	require.NoError(t, names{"prod-", "search-index"}.check())
}
