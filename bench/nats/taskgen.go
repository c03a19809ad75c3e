package main

import (
	"context"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/runtime"
	tgnats "github.com/taskgen/taskgen/runtime/nats"
)

func taskgen() contest.Contender {
	return contest.Taskgen("provider nats with its defaults on nats.go v1.55.0: every publish and every ack confirmed",
		func(ctx context.Context, url string) (runtime.Provider, error) { return tgnats.Open(ctx, url) })
}
