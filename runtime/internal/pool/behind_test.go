package pool

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A grace that is over at once says nothing of receives: there may be none.
func TestAPoolThatStopsLateWarnsOfReceivesThatThereAre(t *testing.T) {
	stop := func(under int) string {
		var log strings.Builder
		r := &run{p: &Pool{cfg: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}}, base: t.Context()}
		c := &consumer{run: r, receives: receives{all: &r.receives}}
		r.consumers = []*consumer{c}
		for range under {
			over := c.receives.begin()
			defer over()
		}
		late := make(chan struct{})
		close(late)
		r.awaitBehind(late)
		return log.String()
	}
	for range 100 {
		assert.Empty(t, stop(0))
	}
	assert.Contains(t, stop(1), "a receive is under way")
}
