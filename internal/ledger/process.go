package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// ordersEnv is the environment variable that makes a test binary one of the processes.
// It holds Orders as JSON.
const ordersEnv = "TASKGEN_LEDGER_ORDERS"

// The roles of processes.
const (
	Producer = "producer"
	Worker   = "worker"
)

// Orders tell a process what to do.
type Orders struct {
	Role     string
	Name     string // of the process and its book
	Provider string
	Address  string // a URL, or a file
	Prefix   string // of what the provider keeps on its broker
	Books    string // the folder
	Seed     uint64 // of what a producer draws
}

// Open opens a provider.
func Open(ctx context.Context, provider, address, prefix string) (runtime.Provider, error) {
	switch provider {
	case "sqlite":
		return sqlite.Open(ctx, address)
	case "redis":
		return redis.Open(ctx, address, redis.WithPrefix(prefix))
	case "rediscluster":
		return openCluster(address, prefix)
	case "rabbitmq":
		return rabbitmq.Open(ctx, address, rabbitmq.WithPrefix(prefix+"."))
	case "nats":
		return nats.Open(ctx, address, nats.WithPrefix(prefix))
	case "sqs":
		return sqs.Open(ctx, address, sqs.WithPrefix(prefix+"-"), sqs.WithWait(time.Second))
	}
	return nil, fmt.Errorf("ledger: unknown provider %q", provider)
}

// Obey does what the orders in the environment say, and then ends the process. Without
// orders it returns. A process works until SIGTERM tells it to stop in good order, or
// until its parent is gone.
func Obey() {
	text := os.Getenv(ordersEnv)
	if text == "" {
		return
	}
	var o Orders
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.obey()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "ledger: %s: %v\n", o.Name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (o *Orders) obey() error {
	book, err := OpenBook(o.Books, o.Name)
	if err != nil {
		return err
	}
	go func() { // the parent holds the other end as long as it lives
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	before := goruntime.NumGoroutine()
	p, err := o.connect(ctx)
	if errors.Is(err, errEarly) {
		return nil
	}
	if err != nil {
		return err
	}
	switch o.Role {
	case Producer:
		err = produce(ctx, p, book, o)
	case Worker:
		err = work(ctx, p, book, o)
	default:
		err = fmt.Errorf("unknown role %q", o.Role)
	}
	if ctx.Err() != nil && errors.Is(err, errEarly) {
		err = nil
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return err
	}
	if left := remaining(before); left != "" {
		book.Write(Entry{What: Leaked, Text: left})
	} else {
		book.Write(Entry{What: Left})
	}
	return book.Close()
}

// connect opens the provider, and tries for as long as the broker is away.
func (o *Orders) connect(ctx context.Context) (runtime.Provider, error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		p, err := Open(attempt, o.Provider, o.Address, o.Prefix)
		cancel()
		if err == nil {
			return p, nil
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return nil, errors.Join(errEarly, err)
		}
	}
}

// errEarly says that a process was stopped before the broker was there.
var errEarly = errors.New("ledger: stopped before it began")

// remaining says which goroutines are left beyond so many, or "". It gives them time:
// connections are closed behind the call that closes them.
func remaining(most int) string {
	for end := time.Now().Add(10 * time.Second); goruntime.NumGoroutine() > most; {
		if time.Now().After(end) {
			var b strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
			return fmt.Sprintf("%d goroutines, %d were there before: %s", goruntime.NumGoroutine(), most, b.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return ""
}

// pause waits, and returns an error when ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
