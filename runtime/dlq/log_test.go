package dlq_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestWhatHasNoLoggerSpeaksToTheDefaultOne(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		p := memory.New()
		d := newEnv(t, p, runtime.QueueConfig{})
		d.buryMails(5)
		log := dlq.Log(nil)
		stop := d.process(p, dlq.ProcessorConfig{Store: &broken{TaskStore: memory.NewLetters(), fail: errDisk}})
		var said strings.Builder
		slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil))) // after they were made
		time.Sleep(6 * time.Second)
		stop()
		assert.Contains(t, said.String(), `level=ERROR msg="cannot store dead letters: they stay on their queue" queue=q-dlq tasks=5`)

		require.NoError(t, log.Notify(t.Context(), dlq.Notice{Queue: "q-dlq", Groups: []dlq.Group{{Type: "mail"}}}))
		assert.Contains(t, said.String(), `level=ERROR msg="tasks are dead" queue=q-dlq type=mail`)

		time.Sleep(time.Until(start.Add(time.Hour)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, dlq.Retention{Box: d.box, Age: time.Minute}.Run(ctx))
		assert.Contains(t, said.String(), `level=INFO msg="discarded old dead letters" of=q discarded=5`)
	})
}
