package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A Program is what [Config.Build] has made. Call Run to work, or Close if the program only
// enqueues. Its fields are not to be changed.
type Program struct {
	Manager *runtime.Manager
	// Pool runs the tasks; nil if the code has no handlers. Run starts and stops it.
	Pool *runtime.Pool
	// Scheduler keeps the jobs; nil if there are none to keep. Run has it fire them, unless
	// scheduler.enabled is false.
	Scheduler *schedule.Service
	// Results keeps the results; nil if no provider does.
	Results driver.ResultStore
	// Providers are those that are open, by their names in the Config.
	Providers map[string]runtime.Provider
	// Logger of the program; nil is slog.Default.
	Logger *slog.Logger

	fires  bool
	opened []runtime.Provider // in the order of opening

	closing sync.Once
	closed  error
}

// Run works until ctx ends, or until the pool or the scheduler fails. It then stops
// everything in order: the scheduler enqueues no more, the pool finishes what runs within
// its grace and gives the rest back, and manager and providers are closed. It returns nil
// if all of that went well. A program runs once.
func (p *Program) Run(ctx context.Context) error {
	working, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	firing, stopFiring := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFiring()
	handling, stopHandling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHandling()

	var fired, handled error
	var scheduler, pool sync.WaitGroup
	if p.fires {
		scheduler.Go(func() {
			if fired = p.Scheduler.Run(firing); fired != nil {
				failed(fired)
			}
		})
	}
	if p.Pool != nil {
		pool.Go(func() {
			if handled = p.Pool.Run(handling); handled != nil {
				failed(handled)
			}
		})
	}
	<-working.Done()
	stopFiring()
	scheduler.Wait()
	stopHandling()
	pool.Wait()
	return errors.Join(fired, handled, p.Close())
}

// Close closes manager and providers, the last one opened first. A second call does nothing
// and returns the same error. A program that runs is stopped by the end of Run's context,
// and not by Close.
func (p *Program) Close() error {
	p.closing.Do(func() {
		var err error
		if p.Manager != nil {
			err = p.Manager.Close()
		}
		for _, one := range slices.Backward(p.opened) {
			if bad := one.Close(); bad != nil {
				err = errors.Join(err, fmt.Errorf("close %s: %w", one.Name(), bad))
			}
		}
		p.closed = err
	})
	return p.closed
}
