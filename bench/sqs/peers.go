package main

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"gocloud.dev/pubsub"
	"gocloud.dev/pubsub/awssnssqs"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/gocloud"
	wm "github.com/taskgen/taskgen/bench/watermill"
)

const watermillName = "Watermill"

// watermillSQS receives ten at a time. It deletes and sends one by one: it has no
// other way.
func watermillSQS() contest.Contender {
	return contest.Contender{
		Name: watermillName,
		Settings: fmt.Sprintf("%s with watermill-aws v1.0.1 on service/sqs v1.52.10: %d subscriptions, MaxNumberOfMessages 10 (1 by default), WaitTimeSeconds 1 so that it can be stopped; it sends and deletes one by one",
			wm.Version, contest.Workers),
		Open: func(ctx context.Context, url string) (contest.Queue, error) {
			c := newClient(url)
			queueURL, err := create(ctx, c)
			if err != nil {
				return nil, err
			}
			pub, err := wmsqs.NewPublisher(wmsqs.PublisherConfig{AWSConfig: config(url), DoNotCreateQueueIfNotExists: true}, watermill.NopLogger{})
			if err != nil {
				return nil, err
			}
			return &wm.Queue{
				Publisher: pub,
				Subscribe: func() (message.Subscriber, error) {
					return wmsqs.NewSubscriber(wmsqs.SubscriberConfig{
						AWSConfig: config(url), DoNotCreateQueueIfNotExists: true,
						GenerateReceiveMessageInput: func(ctx context.Context, url wmsqs.QueueURL) (*sqs.ReceiveMessageInput, error) {
							in, err := wmsqs.GenerateReceiveMessageInputDefault(ctx, url)
							if err == nil {
								in.MaxNumberOfMessages, in.WaitTimeSeconds = 10, 1
							}
							return in, err
						},
					}, watermill.NopLogger{})
				},
				Subscriptions: contest.Workers,
				Count:         func(ctx context.Context) (int64, error) { return left(ctx, c, queueURL) },
			}, nil
		},
	}
}

func gocloudSQS() contest.Contender {
	return contest.Contender{
		Name:     "gocloud.dev",
		Settings: fmt.Sprintf("gocloud.dev v0.46.0, awssnssqs on service/sqs v1.52.10: %d receivers, Raw, no WaitTime (its default: with one it would hold messages back), batches of 10 by default", contest.Workers),
		Open: func(ctx context.Context, url string) (contest.Queue, error) {
			c := newClient(url)
			queueURL, err := create(ctx, c)
			if err != nil {
				return nil, err
			}
			return &gocloud.Queue{
				Topic: awssnssqs.OpenSQSTopic(ctx, c, queueURL, nil),
				Subscribe: func() *pubsub.Subscription {
					return awssnssqs.OpenSubscription(context.Background(), c, queueURL, &awssnssqs.SubscriptionOptions{Raw: true})
				},
				Count: func(ctx context.Context) (int64, error) { return left(ctx, c, queueURL) },
				Done:  func(context.Context) error { return nil },
			}, nil
		},
	}
}
