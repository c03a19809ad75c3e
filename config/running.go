package config

import "context"

// A running is a part of a program that runs until it is stopped. Nil is a part that does
// not run.
type running struct {
	end  context.CancelFunc
	done chan struct{}
	err  error // once done is closed
}

// start runs a function until stop is called, and calls failed if the function fails. The
// end of ctx does not stop it: parts are stopped in order.
func start(ctx context.Context, failed context.CancelCauseFunc, run func(ctx context.Context) error) *running {
	r := &running{done: make(chan struct{})}
	ctx, r.end = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(r.done)
		if r.err = run(ctx); r.err != nil {
			failed(r.err)
		}
	}()
	return r
}

// halt ends what runs, and does not wait for it.
func (r *running) halt() {
	if r != nil {
		r.end()
	}
}

// stop ends what runs, waits for it and returns its error.
func (r *running) stop() error {
	if r == nil {
		return nil
	}
	r.end()
	<-r.done
	return r.err
}
