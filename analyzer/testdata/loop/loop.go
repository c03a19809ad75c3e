package loop

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/analyzer/testdata/other"
	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func slices(ctx context.Context, m *runtime.Manager, all []string) error {
	for _, to := range all {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil { // want `tasks.EnqueueMail is called for each task in a loop: collect the tasks and call tasks.EnqueueMailBatch once`
			return err
		}
	}
	for _, to := range all {
		_, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}, runtime.WithDelay(time.Minute)) // want `EnqueueMailBatch`
		if err != nil {
			slog.ErrorContext(ctx, "no mail", "error", err)
			return fmt.Errorf("mail to %s: %w", to, err)
		}
	}
	for i := range all {
		if all[i] == "" {
			continue
		}
		task := tasks.MailTask{To: all[i]}
		if _, err := runtime.Enqueue(ctx, m, &tasks.MailSpec, &task); err != nil { // want `runtime.Enqueue is called .* runtime.EnqueueBatch once`
			log.Fatal(err)
		}
	}
	return nil
}

func others(ctx context.Context, m *runtime.Manager, ages map[string]int, few *[3]string, opts ...runtime.EnqueueOption) {
	for i := range 10 {
		tasks.EnqueueNews(ctx, m, tasks.NewsTask{Issue: i}) // want `EnqueueNewsBatch`
	}
	for name, age := range ages {
		if age > 17 {
			_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{To: name}, opts...) // want `EnqueueMailBatch`
		}
	}
	for _, to := range few {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil { // want `EnqueueMailBatch`
			break
		}
	}
	for i := 0; i < 3; i++ {
		if _, err := tasks.EnqueueNews(ctx, m, tasks.NewsTask{Issue: i}); err != nil { // want `EnqueueNewsBatch`
			panic(err)
		}
	}
}

// The answers decide what is done.
func answers(ctx context.Context, m *runtime.Manager, all []string) (ids []string, errs error) {
	for _, to := range all {
		answer, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to})
		if err != nil {
			return nil, err
		}
		ids = append(ids, answer.ID)
	}
	for _, to := range all {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); errors.Is(err, runtime.ErrDuplicate) {
			continue
		}
	}
	for _, to := range all {
		_, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to})
		errs = errors.Join(errs, err)
	}
	for _, to := range all {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil {
			if errors.Is(err, runtime.ErrDuplicate) {
				continue
			}
			return nil, err
		}
	}
	for _, to := range all {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil {
			slog.Error("no mail", "error", err)
			continue
		}
	}
	return ids, errs
}

// The calls differ in more than their tasks.
func differ(ctx context.Context, ms []*runtime.Manager, all []string, custom runtime.EnqueueOption) error {
	for i, to := range all {
		if _, err := tasks.EnqueueMail(ctx, ms[0], tasks.MailTask{To: to}, runtime.WithDelay(time.Duration(i)*time.Minute)); err != nil {
			return err
		}
	}
	for _, m := range ms {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: "all"}); err != nil {
			return err
		}
	}
	for _, to := range all {
		if _, err := tasks.EnqueueMail(ctx, ms[0], tasks.MailTask{To: to}, custom); err != nil {
			return err
		}
	}
	for _, to := range all {
		if _, err := tasks.EnqueueMail(ctx, ms[0], tasks.MailTask{To: to}, runtime.WithTime(time.Now())); err != nil {
			return err
		}
	}
	return nil
}

// The loops wait for something.
func wait(ctx context.Context, m *runtime.Manager, all []string, in chan string, mark func(context.Context, string) error) error {
	for to := range in {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil {
			return err
		}
	}
	for {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: <-in}); err != nil {
			return err
		}
		if len(in) == 0 {
			break
		}
	}
	for len(in) > 0 {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{}); err != nil {
			return err
		}
	}
	for _, to := range all {
		if err := mark(ctx, to); err != nil {
			return err
		}
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil {
			return err
		}
	}
	for _, to := range all {
		time.Sleep(time.Second)
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil {
			return err
		}
	}
	for _, to := range all {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil {
			return err
		}
		in <- to
	}
	for _, to := range all {
		for { // until it works
			if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to}); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// The calls are not the loop's own.
func elsewhere(ctx context.Context, m *runtime.Manager, all []string) {
	for _, to := range all {
		go tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to})
		defer tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to})
		func() {
			tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to})
		}()
	}
	for _, to := range all {
		switch to {
		case "":
			tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to})
		default:
			tasks.EnqueueNews(ctx, m, tasks.NewsTask{})
		}
	}
	for range all {
		tasks.EnqueueMailBatch(ctx, m, make([]tasks.MailTask, 3))
	}
	for range all {
		other.EnqueueMail(ctx, "", other.MailTask{})
	}
	for range all {
		other.EnqueuePing(ctx, m, "")
	}
}

func iterators(ctx context.Context, m *runtime.Manager, seq func(func(string) bool)) {
	for to := range seq {
		tasks.EnqueueMail(ctx, m, tasks.MailTask{To: to})
	}
}
