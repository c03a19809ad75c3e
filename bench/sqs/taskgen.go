package main

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/runtime"
	tgsqs "github.com/taskgen/taskgen/runtime/sqs"
)

func taskgen() contest.Contender {
	return contest.Taskgen(
		fmt.Sprintf("provider sqs with its defaults on service/sqs v1.52.10, but for a long poll of %s, so that it can be stopped soon", pollFor),
		func(_ context.Context, url string) (runtime.Provider, error) {
			return tgsqs.New(newClient(url), tgsqs.WithWait(pollFor))
		})
}

const pollFor = time.Second
