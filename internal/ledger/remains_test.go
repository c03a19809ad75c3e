//go:build unix

package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	goredis "github.com/redis/go-redis/v9"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/internal/ledger/tasks"
	"github.com/taskgen/taskgen/internal/testserver"
)

// declared matches the names of the queues of package tasks.
func declared() string {
	var all []string
	for _, q := range tasks.Queues() {
		all = append(all, regexp.QuoteMeta(q.Name))
	}
	return "(" + strings.Join(all, "|") + ")"
}

// remainsOfSQLite looks at the rows of all tables. Queues and what the file is stay, and
// for an hour the leases that ended with nothing said.
func remainsOfSQLite(file string) func(context.Context, string) ([]string, error) {
	return func(context.Context, string) (left []string, err error) {
		c, err := sqlite.OpenConn(file, sqlite.OpenReadOnly)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		var tables []string
		err = sqlitex.Execute(c, `SELECT name FROM sqlite_schema WHERE type = 'table'`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			tables = append(tables, s.ColumnText(0))
			return nil
		}})
		if err != nil {
			return nil, err
		}
		for _, table := range tables {
			where := "true"
			switch table {
			case "taskgen_queue":
				where = "ready <> 0 OR scheduled <> 0 OR leased <> 0 OR dead <> 0"
			case "taskgen_meta", "taskgen_ended", "taskgen_reserve", "sqlite_sequence":
				continue
			}
			err := sqlitex.Execute(c, "SELECT count(*) FROM "+table+" WHERE "+where, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
				if n := s.ColumnInt(0); n > 0 {
					left = append(left, fmt.Sprintf("%d rows of %s", n, table))
				}
				return nil
			}})
			if err != nil {
				return nil, err
			}
		}
		return left, sqlitex.Execute(c, "PRAGMA integrity_check", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			if text := s.ColumnText(0); text != "ok" {
				left = append(left, text)
			}
			return nil
		}})
	}
}

// remainsOfRedis looks at all keys. What a queue is stays, and for an hour the leases
// that ended with nothing said.
func remainsOfRedis(addrs ...string) func(context.Context, string) ([]string, error) {
	return func(_ context.Context, prefix string) (left []string, err error) {
		kept := regexp.MustCompile(`^\{` + regexp.QuoteMeta(prefix) + `:` + declared() + `(-dlq)?\}:(meta|sources)$`)
		for _, addr := range addrs {
			more, err := ask(addr, func(ctx context.Context, c *goredis.Client) (left []string, err error) {
				if is, err := info(ctx, c, "role"); err != nil || is != "master" {
					return nil, err
				}
				all := c.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator()
				for all.Next(ctx) {
					key := all.Val()
					if kept.MatchString(key) {
						continue
					}
					ttl, err := c.TTL(ctx, key).Result()
					if err != nil {
						return nil, err
					}
					if ttl > 0 && strings.HasSuffix(key, ":ended") {
						continue
					}
					left = append(left, fmt.Sprintf("the key %s, for %s", key, ttl))
				}
				return left, all.Err()
			})
			if err != nil {
				return nil, err
			}
			left = append(left, more...)
		}
		return left, nil
	}
}

// listed are queues or exchanges of a RabbitMQ that begin with a prefix.
func listed(ctx context.Context, s *testserver.Server, prefix, what string, columns ...string) (found []map[string]any, err error) {
	out, err := s.RabbitMQCtl(ctx, append([]string{"--quiet", "--formatter", "json", "list_" + what, "name"}, columns...)...)
	if err != nil {
		return nil, err
	}
	var all []map[string]any
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, fmt.Errorf("rabbitmqctl list_%s: %w: %s", what, err, out)
	}
	return slices.DeleteFunc(all, func(one map[string]any) bool { return !strings.HasPrefix(fmt.Sprint(one["name"]), prefix+".") }), nil
}

// waitsOnRabbitMQ counts what was delivered, too, to connections of which the broker does
// not know yet that they are dead.
func waitsOnRabbitMQ(s *testserver.Server) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, prefix string) (left []string, err error) {
		all, err := listed(ctx, s, prefix, "queues", "messages")
		for _, q := range all {
			name := fmt.Sprint(q["name"])
			of := strings.TrimPrefix(name, prefix+".")
			ours := !strings.HasPrefix(of, ":") || strings.HasPrefix(of, ":wait.") || of == ":unclaimed"
			if ours && !strings.HasSuffix(name, "-dlq") && fmt.Sprint(q["messages"]) != "0" {
				left = append(left, fmt.Sprintf("%v messages on %s", q["messages"], name))
			}
		}
		return left, err
	}
}

// remainsOfRabbitMQ looks at all queues and exchanges: those of the queues, of the ladder
// and of the presence stay, and no process has one of its own.
func remainsOfRabbitMQ(s *testserver.Server) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, prefix string) (left []string, err error) {
		of := `^` + regexp.QuoteMeta(prefix) + `\.(` + declared() + `(-dlq)?`
		queues := regexp.MustCompile(of + `(:\d+|:gate)?|:wait\.\d+|:unclaimed|:roll)$`)
		exchanges := regexp.MustCompile(of + `(:backstop|:dead)?|:wait\.\d+|:due|:unclaimed|:census)$`)
		all, err := listed(ctx, s, prefix, "queues", "messages")
		if err != nil {
			return nil, err
		}
		for _, q := range all {
			if name := fmt.Sprint(q["name"]); !queues.MatchString(name) {
				left = append(left, "the queue "+name)
			} else if fmt.Sprint(q["messages"]) != "0" {
				left = append(left, fmt.Sprintf("%v messages on %s", q["messages"], name))
			}
		}
		all, err = listed(ctx, s, prefix, "exchanges")
		for _, x := range all {
			if name := fmt.Sprint(x["name"]); !exchanges.MatchString(name) {
				left = append(left, "the exchange "+name)
			}
		}
		return left, err
	}
}

// remainsOfNATS looks at all messages of all streams. The marks of fifo queues stay, of
// groups in which nobody is, and those of unique keys.
func remainsOfNATS(address string) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, prefix string) (left []string, err error) {
		c, err := natsgo.Connect(address)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		js, err := jetstream.New(c)
		if err != nil {
			return nil, err
		}
		streams := regexp.MustCompile(`^` + regexp.QuoteMeta(prefix) + `-` + declared() + `(-dlq)?$`)
		marks := regexp.MustCompile(`^` + regexp.QuoteMeta(prefix) + `\.` + declared() + `(-dlq)?\.(q\.a\.t|k\.k\.0|k\.a\.0)\.`)
		names := js.StreamNames(ctx)
		for name := range names.Name() {
			if !streams.MatchString(name) {
				left = append(left, "the stream "+name)
				continue
			}
			stream, err := js.Stream(ctx, name)
			if err != nil {
				return nil, err
			}
			state, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
			if err != nil {
				return nil, err
			}
			for subject, n := range state.State.Subjects {
				if !marks.MatchString(subject) {
					left = append(left, fmt.Sprintf("%d messages of %s", n, subject))
				}
			}
		}
		return left, names.Err()
	}
}

// remainsOfSQS looks at all queues.
func remainsOfSQS(endpoint string) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, prefix string) (left []string, err error) {
		c := awssqs.New(awssqs.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
			Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		})
		names := regexp.MustCompile(`/` + regexp.QuoteMeta(prefix) + `-` + declared() + `(-dlq)?(\.fifo|--later|--p\d+)?$`)
		all, err := c.ListQueues(ctx, &awssqs.ListQueuesInput{})
		if err != nil {
			return nil, err
		}
		counts := []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages,
			types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
			types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		}
		for _, queue := range all.QueueUrls {
			if !names.MatchString(queue) {
				left = append(left, "the queue "+queue)
			}
			is, err := c.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: aws.String(queue), AttributeNames: counts})
			if err != nil {
				return nil, err
			}
			for name, n := range is.Attributes {
				if n != "0" {
					left = append(left, fmt.Sprintf("%s %s on %s", n, name, queue))
				}
			}
		}
		return left, nil
	}
}
