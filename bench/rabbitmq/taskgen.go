package main

import (
	"context"
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/contest/tasks"
	"github.com/taskgen/taskgen/runtime"
	tgrabbit "github.com/taskgen/taskgen/runtime/rabbitmq"
)

func taskgen() contest.Contender {
	return contest.Taskgen("provider rabbitmq with its defaults on amqp091-go v1.16.0: quorum queues, every publish mandatory and confirmed",
		func(ctx context.Context, url string) (runtime.Provider, error) { return tgrabbit.Open(ctx, url) })
}

// clearTaskgen empties the queue that tasks are handed out from. The queues around
// it stay: there is nothing on them, and they take long to make.
func clearTaskgen(conn *amqp.Connection) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	_, err = ch.QueuePurge(tgrabbit.DefaultPrefix+tasks.NoopSpec.Queue, false)
	var answer *amqp.Error
	if errors.As(err, &answer) && answer.Code == amqp.NotFound {
		return nil // it was not made yet; the broker has closed the channel
	}
	return errors.Join(err, ch.Close())
}
