package pool

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A grace that is over at once says nothing of receives: there may be none.
func TestAPoolThatStopsLateWarnsOfReceivesThatThereAre(t *testing.T) {
	stop := func(receives int) string {
		var log strings.Builder
		s := &shift{p: &Pool{cfg: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}}, base: t.Context()}
		l := &lane{s: s}
		s.lanes = []*lane{l}
		for range receives {
			over := l.behind()
			defer over()
		}
		late := make(chan struct{})
		close(late)
		s.awaitBehind(late)
		return log.String()
	}
	for range 100 {
		assert.Empty(t, stop(0))
	}
	assert.Contains(t, stop(1), "a receive is under way")
}
