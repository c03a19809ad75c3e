package contenders

import (
	"context"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/runtime"
	tgredis "github.com/taskgen/taskgen/runtime/redis"
)

// Taskgen is taskgen with the defaults of its provider.
func Taskgen() contest.Contender {
	return contest.Taskgen("provider redis with its defaults, on go-redis v9.23.0", func(ctx context.Context, url string) (runtime.Provider, error) {
		return tgredis.Open(ctx, url)
	})
}

// TaskgenCompact is taskgen with the option that spares the server's memory.
func TaskgenCompact() contest.Contender {
	c := contest.Taskgen("provider redis with WithCompactTasks, on go-redis v9.23.0", func(ctx context.Context, url string) (runtime.Provider, error) {
		return tgredis.Open(ctx, url, tgredis.WithCompactTasks())
	})
	c.Name = "taskgen, compact tasks"
	return c
}
