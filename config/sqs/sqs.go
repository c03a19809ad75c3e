// Package sqs registers the SQS provider with package config, for URLs like
// sqs://eu-central-1.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/internal/address"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// Options are the options of the SQS provider. The region is the host of the URL, and
// credentials come from the SDK's default chain. The names are those of the parameters
// that Open of package runtime/sqs takes.
type Options struct {
	Endpoint  string           `config:"endpoint" default:"that of AWS" doc:"URL of another server than AWS, such as an emulator"`
	Prefix    string           `config:"prefix" default:"none" doc:"prefix of the name of every SQS queue: letters, digits, - and _"`
	Create    *bool            `config:"create" default:"true" doc:"whether missing queues are created; false for programs without the permission, and for queues that are declared elsewhere"`
	Wait      time.Duration    `config:"wait" default:"5s, and 20s on a quiet queue" doc:"how long a poll of an empty queue waits, 1s to 20s"`
	Polls     int              `config:"polls" default:"8" doc:"bound of the concurrent polls of one SQS queue"`
	CloseWait *time.Duration   `config:"close_wait" default:"as long as a poll may take" doc:"how long closing waits for polls in progress; 0s cuts them off, and what they received comes back when its lease ends"`
	Retry     string           `config:"retry" enum:"send,visibility" default:"send" doc:"how a task is retried: it is sent anew, or its message is hidden, which costs one request less but loses the metadata that the failed run wrote and makes crashes cost retries"`
	Fair      int              `config:"fair" default:"strict levels" doc:"every how many receives of a priority queue the lowest level comes first, 2 or more"`
	Queues    map[string]Queue `config:"queues" doc:"existing SQS queues, by the name of the queue that is to use them; taskgen creates, changes and tags nothing there"`
}

// Queue are the SQS queues of one queue: made by hand or declared elsewhere, in any account
// that the credentials can access, with any names.
type Queue struct {
	URL        string   `config:"url" doc:"URL of the SQS queue; a priority queue has levels instead"`
	Levels     []string `config:"levels" doc:"URLs of a priority queue's levels, the lowest first"`
	DLQ        string   `config:"dlq" default:"none: tasks can be enqueued, and not received" doc:"URL of the dead letter queue"`
	Later      string   `config:"later" default:"none: delayed tasks are refused" doc:"URL of a standard queue on which delayed tasks of a fifo queue wait"`
	Codec      string   `config:"codec" default:"envelope" doc:"what is in the bodies: envelope; json:TYPE, the payload of tasks of one type; attribute:NAME, payloads whose type is in that message attribute; s3:TYPE, events of S3. sns+ before one of these for a queue that subscribes an SNS topic"`
	MaxRetries int      `config:"max_retries" default:"0" doc:"how often a task of another program is retried, if the codec gives it no number"`
}

func init() {
	config.Register("sqs", []config.URLForm{
		{Scheme: "sqs", Example: "sqs://eu-central-1?prefix=prod-", Text: "the SQS of a region, by default that of the AWS configuration"},
	}, open)
}

func open(ctx context.Context, rawURL string, o Options, deps config.Deps) (driver.Provider, error) {
	u, err := address.Parse(rawURL)
	switch {
	case err != nil:
		return nil, err
	case u.User != nil:
		return nil, errors.New("the URL has a user: credentials come from the SDK's default chain (environment, shared files, container, instance)")
	case u.Port() != "" || u.Opaque != "" || u.Path != "" && u.Path != "/":
		return nil, errors.New("the URL is a region and options, like sqs://eu-central-1?prefix=prod-; give another server as endpoint")
	}
	if o.Endpoint != "" {
		if at, err := address.Parse(o.Endpoint); err != nil || at.Host == "" || at.User != nil || at.Scheme != "http" && at.Scheme != "https" {
			return nil, errors.New("option endpoint: write a URL like http://localhost:4566")
		}
		u.RawQuery = url.Values{"endpoint": {o.Endpoint}}.Encode()
	}
	opts, err := o.options()
	if err != nil {
		return nil, err
	}
	return sqs.Open(ctx, u.String(), append(opts, sqs.WithLogger(deps.Logger))...)
}

func (o Options) options() ([]sqs.Option, error) {
	opts := []sqs.Option{sqs.WithPrefix(o.Prefix)}
	if o.Create != nil && !*o.Create {
		opts = append(opts, sqs.WithoutCreate())
	}
	if o.Wait != 0 {
		opts = append(opts, sqs.WithWait(o.Wait))
	}
	if o.Polls != 0 {
		opts = append(opts, sqs.WithMaxPolls(o.Polls))
	}
	if o.CloseWait != nil {
		opts = append(opts, sqs.WithCloseWait(*o.CloseWait))
	}
	if o.Retry == "visibility" {
		opts = append(opts, sqs.RetryByVisibility())
	}
	if o.Fair != 0 {
		opts = append(opts, sqs.WithStarvationFree(o.Fair))
	}
	for name, q := range o.Queues {
		codec, err := codecOf(q.Codec)
		if err != nil {
			return nil, fmt.Errorf("option queues.%s.codec: %w", name, err)
		}
		opts = append(opts, sqs.WithQueue(name, sqs.Existing{URL: q.URL, Levels: q.Levels, DLQ: q.DLQ, Later: q.Later, Codec: codec, MaxRetries: q.MaxRetries}))
	}
	return opts, nil
}
