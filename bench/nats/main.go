// Command nats measures taskgen on NATS JetStream beside Watermill, and beside the
// client alone, with no-op tasks.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
	"github.com/taskgen/taskgen/internal/testserver"
)

func main() { contest.Main(declared) }

var declared = contest.Contest{
	Broker: "nats",
	Start:  start,
	Contenders: []contest.Contender{
		taskgen(), watermillNATS(watermillName, false), watermillNATS(watermillName+", acks not waited for", true), rawConfirmed(), raw(),
	},
	Goals: goals,
}

// goals are held against who does the same: every publish and every ack is
// confirmed by the server. The others are there to show what that costs.
func goals(r *contest.Result) []report.Goal {
	return r.Beside(0.7, rawConfirmedName, watermillName)
}

// start starts a server with the settings it has by itself: what it has confirmed
// is in the operating system's hands, and on the disk within two minutes.
func start(ctx context.Context) (*contest.Broker, error) {
	// The server is emptied between stages: it must be nobody else's.
	if err := os.Unsetenv("TASKGEN_TEST_NATS_URL"); err != nil {
		return nil, err
	}
	server, err := testserver.NATS()
	if err != nil {
		return nil, err
	}
	nc, js, err := connect(server.URL)
	if err != nil {
		return nil, err
	}
	return &contest.Broker{
		URL:   server.URL,
		About: fmt.Sprintf("nats-server %s, one server, streams on file, sync_interval by default (2 min), on loopback", nc.ConnectedServerVersion()),
		Clear: func(ctx context.Context) error { return clearAll(ctx, js) },
		Stop: func() error {
			nc.Close()
			return server.Stop()
		},
	}, nil
}

func connect(url string) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(url, nats.Timeout(10*time.Second))
	if err != nil {
		return nil, nil, err
	}
	// As many publishes at the same time as a batch and all callers have.
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(contest.Batch*2))
	return nc, js, err
}

func clearAll(ctx context.Context, js jetstream.JetStream) error {
	names := js.StreamNames(ctx)
	var all []string
	for name := range names.Name() {
		all = append(all, name)
	}
	if err := names.Err(); err != nil {
		return err
	}
	for _, name := range all {
		if err := js.DeleteStream(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// workQueue makes the stream of the peers: the same kind as taskgen's.
func workQueue(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	return js.CreateStream(ctx, jetstream.StreamConfig{
		Name: stream, Subjects: []string{subject}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	})
}

const (
	stream  = "contest"
	subject = "contest"
)

func left(ctx context.Context, js jetstream.JetStream) (int64, error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return 0, err
	}
	return int64(info.State.Msgs), nil
}
