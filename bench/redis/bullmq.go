package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/internal/testserver"
)

// bullmqConcurrency is what BullMQ is fastest with: it takes a task as soon as another
// one ends, one round trip each, so that more of them share the way.
const bullmqConcurrency = 200

// BullMQ runs in its own process of Node.js, which reads commands line by line.
func BullMQ() contest.Contender {
	return contest.Contender{
		Name: "BullMQ",
		Settings: fmt.Sprintf("BullMQ 6.7.0 on ioredis 5.8.2 in a process of Node.js, concurrency %d in place of 32: it is fastest with it; addBulk for batches; jobs are removed when they are done; "+
			"its CPU is that of its process, without what it takes here to tell it what to do", bullmqConcurrency),
		Open: func(ctx context.Context, address string) (contest.Queue, error) {
			u, err := url.Parse(address)
			if err != nil {
				return nil, err
			}
			host, port, err := net.SplitHostPort(u.Host)
			if err != nil {
				return nil, err
			}
			node, program, err := testserver.NodePackages("bench/redis/bullmq", "serve.mjs")
			if err != nil {
				return nil, err
			}
			return serve(ctx, node, program, host, port)
		},
	}
}

// A bullmqQueue is the process that has the queue.
type bullmqQueue struct {
	cmd *exec.Cmd
	n   atomic.Int64

	write sync.Mutex
	in    io.WriteCloser

	mu      sync.Mutex
	asked   map[int64]chan reply
	handle  func(due int64)
	err     error // why there are no answers any more
	stopped chan struct{}
}

type reply struct {
	value string
	err   error
}

func serve(ctx context.Context, node, program, host, port string) (*bullmqQueue, error) {
	q := &bullmqQueue{cmd: exec.Command(node, program, host, port), asked: make(map[int64]chan reply), stopped: make(chan struct{})}
	q.cmd.Stderr = os.Stderr
	var err error
	if q.in, err = q.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := q.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := q.cmd.Start(); err != nil {
		return nil, err
	}
	go q.read(out)
	if _, err := q.Left(ctx); err != nil { // it is up, and has its connection
		return nil, errors.Join(err, q.Close(ctx))
	}
	return q, nil
}

// read takes in what the process says, until it ends.
func (q *bullmqQueue) read(out io.Reader) {
	defer close(q.stopped)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		if verb == "handled" {
			due, _ := strconv.ParseInt(rest, 10, 64)
			q.mu.Lock()
			handle := q.handle
			q.mu.Unlock()
			handle(due)
			continue
		}
		number, text, _ := strings.Cut(rest, " ")
		n, _ := strconv.ParseInt(number, 10, 64)
		r := reply{value: text}
		if verb != "ok" {
			r = reply{err: fmt.Errorf("bullmq: %s", text)}
		}
		q.mu.Lock()
		if c := q.asked[n]; c != nil {
			delete(q.asked, n)
			c <- r
		}
		q.mu.Unlock()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = errors.Join(errors.New("bullmq: its process has ended"), lines.Err())
	for _, c := range q.asked {
		c <- reply{err: q.err}
	}
	clear(q.asked)
}

// ask has the process do something, and returns its answer.
func (q *bullmqQueue) ask(ctx context.Context, verb, argument string) (string, error) {
	n, c := q.n.Add(1), make(chan reply, 1)
	q.mu.Lock()
	if q.err != nil {
		defer q.mu.Unlock()
		return "", q.err
	}
	q.asked[n] = c
	q.mu.Unlock()
	q.write.Lock()
	_, err := fmt.Fprintf(q.in, "%s %d %s\n", verb, n, argument)
	q.write.Unlock()
	if err != nil {
		return "", err
	}
	select {
	case r := <-c:
		return r.value, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (q *bullmqQueue) Enqueue(ctx context.Context) error {
	_, err := q.ask(ctx, "enqueue", "")
	return err
}

func (q *bullmqQueue) EnqueueBatch(ctx context.Context, n int) error {
	_, err := q.ask(ctx, "bulk", strconv.Itoa(n))
	return err
}

func (q *bullmqQueue) EnqueueAt(ctx context.Context, due time.Time) error {
	_, err := q.ask(ctx, "delay", strconv.FormatInt(due.UnixNano(), 10))
	return err
}

func (q *bullmqQueue) Work(ctx context.Context, handle func(due int64)) (func(context.Context) error, error) {
	q.mu.Lock()
	q.handle = handle
	q.mu.Unlock()
	_, err := q.ask(ctx, "work", strconv.Itoa(bullmqConcurrency))
	return func(ctx context.Context) error {
		_, err := q.ask(ctx, "stop", "")
		return err
	}, err
}

func (q *bullmqQueue) Left(ctx context.Context) (int64, error) {
	return q.number(ctx, "left")
}

// CPU implements [contest.Process].
func (q *bullmqQueue) CPU(ctx context.Context) (time.Duration, error) {
	n, err := q.number(ctx, "cpu")
	return time.Duration(n) * time.Microsecond, err
}

func (q *bullmqQueue) number(ctx context.Context, verb string) (int64, error) {
	text, err := q.ask(ctx, verb, "")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (q *bullmqQueue) Close(context.Context) error {
	err := q.in.Close()
	<-q.stopped
	return errors.Join(err, q.cmd.Wait())
}
