package context

import (
	"context"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func work(ctx context.Context) error { return ctx.Err() }

type detached struct{}

func (detached) HandleMail(ctx context.Context, t tasks.MailTask) error {
	return work(context.Background()) // want `the handler does not use its context: what it calls goes on after the task has ended; pass the context of the handler`
}

func (detached) HandleNews(_ context.Context, t tasks.NewsTask) (tasks.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.TODO(), time.Second) // want `the handler does not use its context`
	defer cancel()
	return tasks.Receipt{}, work(ctx)
}

type swallowing struct{}

func (swallowing) HandleMail(ctx context.Context, t tasks.MailTask) error {
	for range 10 {
		if ctx.Err() != nil {
			return nil // want `the handler returns nil because its context has ended, and the pool takes the task as done: return ctx.Err\(\)`
		}
		select {
		case <-ctx.Done():
			slog.Info("stopped")
			return nil // want `returns nil because its context has ended`
		case <-time.After(time.Second):
			return nil
		}
	}
	return nil
}

func (swallowing) HandleNews(c context.Context, t tasks.NewsTask) (tasks.Receipt, error) {
	switch {
	case c.Err() != nil:
		return tasks.Receipt{}, nil // want `return c.Err\(\)`
	}
	<-c.Done()
	return tasks.Receipt{}, nil // want `return c.Err\(\)`
}

func audit(ctx context.Context, t tasks.AuditTask) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil // want `returns nil because its context has ended`
}

func register(r *runtime.Router, g good) {
	tasks.RegisterAudit(r, tasks.AuditHandlerFunc(audit))
	runtime.Register(r, &tasks.MailSpec, func(ctx context.Context, t tasks.MailTask) error {
		return work(context.Background()) // want `does not use its context`
	})
	runtime.RegisterWithResult(r, &tasks.NewsSpec, g.news)
}

type good struct{ m *runtime.Manager }

func (g good) news(ctx context.Context, t tasks.NewsTask) (tasks.Receipt, error) {
	return tasks.Receipt{}, work(context.Background()) // want `does not use its context`
}

func (g good) HandleMail(ctx context.Context, t tasks.MailTask) error {
	if ctx.Err() != nil { // the rest is enqueued
		if _, err := tasks.EnqueueMail(context.WithoutCancel(ctx), g.m, t); err != nil {
			return err
		}
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			<-ctx.Done()
			return nil
		}()
	}()
	return work(context.WithoutCancel(context.Background()))
}

func (g good) HandleNews(ctx context.Context, t tasks.NewsTask) (tasks.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	inner, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	select {
	case <-inner.Done(): // its own limit
		return tasks.Receipt{}, nil
	case <-time.After(time.Second):
	}
	return tasks.Receipt{}, nil
}

func (g good) HandleAudit(ctx context.Context, t tasks.AuditTask) error {
	var cancel context.CancelFunc
	ctx, cancel = context.WithTimeout(ctx, time.Second)
	defer cancel()
	if ctx.Err() != nil {
		return nil
	}
	return nil
}

type lookalike struct{}

// HandleMail is a handler of nothing, and so is HandleNothing.
func (lookalike) HandleMail(ctx context.Context, t string) error { return work(context.Background()) }

func (lookalike) HandleNothing(ctx context.Context, t tasks.MailTask) error {
	return work(context.Background())
}

func notAHandler(ctx context.Context, t tasks.MailTask) error {
	<-ctx.Done()
	return nil
}
