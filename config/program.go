package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// closeTime bounds how long it takes to close what the sections metrics and traces led
// to, each: a collector that is away does not delay the stop for longer.
const closeTime = 3 * time.Second

// A Program is what [Config.Build] has made. Call Run to work, or Close if the program only
// enqueues and shows no metrics. Its fields are not to be changed.
type Program struct {
	Manager *runtime.Manager
	// Pool runs the tasks; nil if the code has no handlers. Run starts and stops it.
	Pool *runtime.Pool
	// Scheduler keeps the jobs; nil if there are none to keep. Run has it fire them, unless
	// scheduler.enabled is false.
	Scheduler *schedule.Service
	// Results keeps the results; nil if no provider does.
	Results driver.ResultStore
	// Fleet is what the pool joins, and gives orders to its workers; nil without the section
	// fleet.
	Fleet *fleet.Fleet
	// History is what the pool is recorded in, and reads it; nil without the section history.
	History *history.History
	// Metrics and Traces are what was made of these sections, or nil. The functions Of of
	// packages config/metrics and config/traces return what Go code needs of them.
	Metrics, Traces *Telemetry
	// Server is what was made of the section server, or nil. Function Of of package
	// config/server returns what Go code needs of it.
	Server *API
	// Providers are those that are open, by their names in the Config.
	Providers map[string]runtime.Provider
	// Logger of the program; nil is slog.Default.
	Logger *slog.Logger

	fires  bool
	opened []runtime.Provider // in the order of opening

	closingWork, closing   sync.Once
	closedWork, closedOnce error
}

// Run works until ctx ends, or until the pool, the scheduler or a server fails. It then stops
// everything in order: the API takes no more calls, the scheduler enqueues no more, the pool
// finishes what runs within its grace and gives the rest back, the API's last calls end, manager
// and providers are closed, the last spans are sent, and the server of metrics and health is
// shut down. It returns nil if all of that went well; that a collector is away is logged, and no
// error. A program runs once.
func (p *Program) Run(ctx context.Context) error {
	working, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	var firing, handling, serving, answering *running
	if p.Metrics != nil && p.Metrics.Run != nil {
		serving = start(ctx, failed, p.Metrics.Run)
	}
	if p.fires {
		firing = start(ctx, failed, p.Scheduler.Run)
	}
	if p.Pool != nil {
		handling = start(ctx, failed, p.Pool.Run)
	}
	if p.Server != nil && p.Server.Run != nil {
		answering = start(ctx, failed, p.Server.Run)
	}
	<-working.Done()
	answering.halt() // its last calls take their time beside the pool's last tasks
	fired := firing.stop()
	handled := handling.stop()
	answered := answering.stop()
	_ = p.closeWork() // Close returns its error
	served := serving.stop()
	return errors.Join(answered, fired, handled, served, p.Close())
}

// Close closes what the section server led to, manager and providers, the last one opened first,
// and what the sections traces and metrics led to. A second call does nothing and returns the
// same error. A program that runs is stopped by the end of Run's context, and not by Close.
func (p *Program) Close() error {
	p.closing.Do(func() {
		p.closedOnce = errors.Join(p.closeWork(), p.Metrics.close("metrics"))
	})
	return p.closedOnce
}

// closeWork closes all but the server of the metrics.
func (p *Program) closeWork() error {
	p.closingWork.Do(func() {
		err := p.Server.close()
		if p.Manager != nil {
			err = errors.Join(err, p.Manager.Close())
		}
		err = errors.Join(err, p.closeHistory())
		for _, one := range slices.Backward(p.opened) {
			if bad := one.Close(); bad != nil {
				err = errors.Join(err, fmt.Errorf("close %s: %w", one.Name(), bad))
			}
		}
		p.closedWork = errors.Join(err, p.Traces.close("traces"))
	})
	return p.closedWork
}

// closeHistory writes what the pool could not, within its time: providers are still open.
func (p *Program) closeHistory() error {
	if p.History == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return p.History.Close(ctx)
}
