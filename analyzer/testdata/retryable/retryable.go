package retryable

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

var errAway = errors.New("away")

func send(ctx context.Context) error { return runtime.Skip(errAway) }

type hiding struct{ last error }

func (h hiding) HandleMail(ctx context.Context, t tasks.MailTask) error {
	if err := send(ctx); err != nil {
		return fmt.Errorf("mail to %s: %v", t.To, err) // want `the pool cannot see whether this error is to be retried, because %v keeps only its text: wrap it with %w`
	}
	if err := send(ctx); err != nil {
		return fmt.Errorf("100%% lost, \"%5d\": %s", 3, err) // want `%s keeps only its text`
	}
	if err := send(ctx); err != nil {
		return errors.New(err.Error()) // want `errors.New keeps only its text: return the error itself`
	}
	if err := send(ctx); err != nil {
		return fmt.Errorf("mail: %s", err.Error()) // want `%s keeps only its text`
	}
	if h.last != nil {
		return runtime.RetryAfter(3, fmt.Errorf("last: %+v", h.last)) // want `%v keeps only its text`
	}
	return fmt.Errorf("sent: %v", send(ctx)) // want `%v keeps only its text`
}

func (h hiding) HandleNews(ctx context.Context, t tasks.NewsTask) (tasks.Receipt, error) {
	err := send(ctx)
	return tasks.Receipt{}, fmt.Errorf("news: %v", err) // want `%v keeps only its text`
}

type wrapping struct{}

func (wrapping) HandleMail(ctx context.Context, t tasks.MailTask) error {
	err := send(ctx)
	switch t.To {
	case "a":
		return fmt.Errorf("mail: %w", err)
	case "b":
		return fmt.Errorf("%w: %v", errAway, err)
	case "c":
		return runtime.Skip(fmt.Errorf("mail: %v", err))
	case "d":
		return fmt.Errorf("mail to %v: %T", t.To, err)
	case "e":
		return fmt.Errorf("it is %v", errAway)
	case "f":
		return fmt.Errorf("ended: %v, %v", ctx.Err(), context.Cause(ctx))
	case "g":
		return errors.New("away")
	case "h":
		return fmt.Errorf("%[1]v", err)
	}
	go func() error { return fmt.Errorf("mail: %v", err) }()
	return err
}

func helper(err error) error { return fmt.Errorf("mail: %v", err) }
