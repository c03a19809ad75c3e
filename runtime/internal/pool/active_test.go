package pool

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPoolChoosesAmongQueuesThatHaveTasksAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cfgs []driver.QueueConfig
		for i := range 50 {
			cfgs = append(cfgs, driver.QueueConfig{Name: fmt.Sprint("idle", i)})
		}
		b := newPoolBench(t, append(cfgs, driver.QueueConfig{Name: "q"})...)
		b.handle(func(context.Context, *driver.Task) error {
			time.Sleep(time.Second)
			return nil
		})
		r, err := b.pool(Config{Workers: 2}).begin(t.Context(), false)
		require.NoError(t, err)
		r.fetch()
		for i := range cfgs { // each has had one
			b.putTask(&driver.Task{ID: fmt.Sprint("idle", i), Queue: cfgs[i].Name})
		}
		pass(time.Hour)
		for i := range 20 {
			b.put(fmt.Sprint("busy", i))
		}
		pass(5500 * time.Millisecond)
		r.mon.Lock()
		active := len(r.chooser.active)
		r.mon.Unlock()
		assert.Equal(t, 1, active)
		pass(time.Minute)
		assert.Len(t, b.q().completed(), 20)
		require.NoError(t, r.stop(t.Context(), 0))
	})
}
