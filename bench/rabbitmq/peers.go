package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill"
	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"gocloud.dev/pubsub"
	"gocloud.dev/pubsub/rabbitpubsub"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/gocloud"
	wm "github.com/taskgen/taskgen/bench/watermill"
)

const (
	watermillName = "Watermill"
	prefetch      = 100 // of each of Watermill's subscriptions, and of the Go CDK's
)

// watermillAMQP is Watermill's configuration of a durable queue, with what makes
// it safe: confirms and a quorum queue. Its defaults are slow: they open a channel
// for each publish and let a consumer have one message at a time.
func watermillAMQP() contest.Contender {
	return contest.Contender{
		Name: watermillName,
		Settings: fmt.Sprintf("%s with watermill-amqp v3.0.2 on amqp091-go v1.16.0: NewDurableQueueConfig on a quorum queue, ConfirmDelivery, ChannelPoolSize %d (no pool by default), "+
			"%d subscriptions with PrefetchCount %d (1 by default)", wm.Version, contest.Callers, contest.Workers, prefetch),
		Open: func(_ context.Context, url string) (contest.Queue, error) {
			count, remove, err := declare(url)
			if err != nil {
				return nil, err
			}
			cfg := wmamqp.NewDurableQueueConfig(url)
			cfg.Queue.GenerateName = func(string) string { return name }
			cfg.Queue.Arguments = quorum
			cfg.Publish.GenerateRoutingKey = func(string) string { return name }
			cfg.Publish.ConfirmDelivery = true
			cfg.Publish.ChannelPoolSize = contest.Callers
			cfg.Consume.Qos.PrefetchCount = prefetch
			pub, err := wmamqp.NewPublisher(cfg, watermill.NopLogger{})
			if err != nil {
				return nil, err
			}
			return &wm.Queue{
				Publisher:     pub,
				Subscribe:     func() (message.Subscriber, error) { return wmamqp.NewSubscriber(cfg, watermill.NopLogger{}) },
				Subscriptions: contest.Workers,
				Count:         count,
				Delete:        remove,
			}, nil
		},
	}
}

// gocloudRabbit is the Go CDK on a fanout exchange with a quorum queue. It does
// not ask for messages to be kept on the disk, but a quorum queue keeps them all
// there.
func gocloudRabbit() contest.Contender {
	return contest.Contender{
		Name: "gocloud.dev",
		Settings: fmt.Sprintf("gocloud.dev v0.46.0 with rabbitpubsub v0.46.0 on amqp091-go v1.16.0: a fanout exchange bound to a quorum queue, PrefetchCount %d, %d receivers, "+
			"a connection for publishing and one for receiving", prefetch*contest.Workers, contest.Workers),
		Open: func(_ context.Context, url string) (contest.Queue, error) {
			count, remove, err := declare(url)
			if err != nil {
				return nil, err
			}
			in, err := amqp.Dial(url)
			if err != nil {
				return nil, err
			}
			out, err := amqp.Dial(url)
			if err != nil {
				return nil, err
			}
			ch, err := in.Channel()
			if err != nil {
				return nil, err
			}
			if err := ch.ExchangeDeclare(name, "fanout", true, false, false, false, nil); err != nil {
				return nil, err
			}
			if err := ch.QueueBind(name, "", name, false, nil); err != nil {
				return nil, err
			}
			most := prefetch * contest.Workers
			return &gocloud.Queue{
				Topic: rabbitpubsub.OpenTopic(in, name, nil),
				Subscribe: func() *pubsub.Subscription {
					return rabbitpubsub.OpenSubscription(out, name, &rabbitpubsub.SubscriptionOptions{PrefetchCount: &most})
				},
				Count: count,
				Done: func(ctx context.Context) error {
					return errors.Join(ch.ExchangeDelete(name, false, false), in.Close(), out.Close(), remove(ctx))
				},
			}, nil
		},
	}
}
