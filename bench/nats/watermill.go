package main

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill"
	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/bench/contest"
	wm "github.com/taskgen/taskgen/bench/watermill"
)

const watermillName = "Watermill"

// watermillNATS is the package that Watermill recommends for JetStream; the other
// one calls itself experimental. It waits for the answer to an ack, as taskgen
// does, unless ackAsync tells it not to.
func watermillNATS(name string, ackAsync bool) contest.Contender {
	return contest.Contender{
		Name: name,
		Settings: fmt.Sprintf("%s with watermill-nats v2.1.3 on nats.go v1.55.0: the same kind of stream, a durable queue group of %d subscribers, "+
			"NATSMarshaler, AckAsync %t, no message ids; it waits for the confirmation of each publish", wm.Version, contest.Workers, ackAsync),
		Open: func(ctx context.Context, url string) (contest.Queue, error) {
			nc, js, err := connect(url)
			if err != nil {
				return nil, err
			}
			if _, err := workQueue(ctx, js); err != nil {
				return nil, err
			}
			cfg := wmnats.JetStreamConfig{
				AckAsync: ackAsync, DurablePrefix: "contest",
				SubscribeOptions: []nats.SubOpt{nats.DeliverAll(), nats.AckExplicit(), nats.MaxAckPending(-1)},
			}
			pub, err := wmnats.NewPublisher(wmnats.PublisherConfig{URL: url, Marshaler: &wmnats.NATSMarshaler{}, JetStream: cfg}, watermill.NopLogger{})
			if err != nil {
				return nil, err
			}
			return &wm.Queue{
				Publisher: pub,
				Subscribe: func() (message.Subscriber, error) {
					return wmnats.NewSubscriber(wmnats.SubscriberConfig{
						URL: url, QueueGroupPrefix: "contest", SubscribersCount: contest.Workers,
						Unmarshaler: &wmnats.NATSMarshaler{}, JetStream: cfg,
					}, watermill.NopLogger{})
				},
				Subscriptions: 1,
				Count:         func(ctx context.Context) (int64, error) { return left(ctx, js) },
				Delete: func(context.Context) error {
					nc.Close()
					return nil
				},
			}, nil
		},
	}
}
