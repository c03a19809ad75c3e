package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// errUnknownProvider: the server has no provider of the name.
var errUnknownProvider = errors.New("the server has no such provider")

// CreateQueue implements the method of QueueAdminService.
func (a *adminService) CreateQueue(ctx context.Context, req *v1.CreateQueueRequest) (*v1.CreateQueueResponse, error) {
	p, err := a.provider(req.GetProvider())
	if err != nil {
		return nil, err
	}
	cfg := driver.QueueConfig{
		Name: req.GetQueue(), Type: inverse(queueTypes)[req.GetType()], Levels: int(req.GetLevels()), Visibility: span(req.GetVisibility()),
		MaxDeliveries: int(req.GetMaxDeliveries()), DLQ: req.GetDlq(), Retention: span(req.GetRetention()), Capacity: int(req.GetCapacity()),
	}
	if err := a.s.cfg.Manager.Open(ctx, p, cfg); err != nil {
		return nil, err
	}
	info, err := a.s.queueInfo(req.GetQueue())
	if err != nil {
		return nil, err
	}
	return &v1.CreateQueueResponse{Queue: info}, nil
}

// provider is that of Config.Providers with a name; the only one if the name is empty.
func (a *adminService) provider(name string) (runtime.Provider, error) {
	all := a.s.cfg.Providers
	names := slices.Sorted(maps.Keys(all))
	switch p, ok := all[name]; {
	case len(all) == 0:
		return nil, fmt.Errorf("%w: the server creates no queues: set its Config.Providers", driver.ErrUnsupported)
	case ok:
		return p, nil
	case name == "" && len(all) == 1:
		return all[names[0]], nil
	case name == "":
		return nil, fmt.Errorf("%w: the request names none: it is one of %s", errUnknownProvider, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("%w: %q: it is one of %s", errUnknownProvider, name, strings.Join(names, ", "))
}

// queueInfo describes an open queue.
func (s *Server) queueInfo(name string) (*v1.QueueInfo, error) {
	q, err := s.cfg.Manager.Queue(name)
	if err != nil {
		return nil, err
	}
	cfg, provider, err := s.cfg.Manager.Declared(name)
	if err != nil {
		return nil, err
	}
	info := queueInfoOf(cfg, q.Capabilities())
	info.Provider = provider
	return info, nil
}

// ListQueues implements the method of QueueAdminService. What cannot be read of a queue is said
// there: the others are listed all the same.
func (a *adminService) ListQueues(ctx context.Context, _ *v1.ListQueuesRequest) (*v1.ListQueuesResponse, error) {
	samples, err := a.s.samples(ctx, nil)
	if err != nil {
		return nil, err
	}
	all := make(map[string]*v1.ListedQueue, len(samples))
	for _, sample := range samples {
		q, err := a.listedQueue(ctx, sample)
		if errors.Is(err, driver.ErrUnknownQueue) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all[sample.GetQueue()] = q
	}
	if err := a.countWorkers(ctx, all); err != nil {
		return nil, err
	}
	res := &v1.ListQueuesResponse{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		res.Queues = append(res.Queues, all[name])
	}
	return res, nil
}

// listedQueue is an open queue whose numbers have been read.
func (a *adminService) listedQueue(ctx context.Context, sample *v1.QueueSample) (*v1.ListedQueue, error) {
	q := &v1.ListedQueue{Open: true, Stats: sample.GetStats(), Paused: sample.GetPaused(), Error: sample.GetError()}
	var err error
	if q.Info, err = a.s.queueInfo(sample.GetQueue()); err != nil { // it was deleted, or the manager closed, meanwhile
		return nil, err
	}
	failed := func(err error) {
		if err != nil && q.GetError() == "" && !errors.Is(err, driver.ErrUnsupported) {
			q.Error = err.Error()
		}
	}
	if q.GetPaused() {
		open, err := a.s.cfg.Manager.Queue(sample.GetQueue())
		if err != nil {
			return nil, err
		}
		bounded, cancel := context.WithTimeout(ctx, sampleLimit)
		defer cancel()
		pause, err := paused(bounded, open)
		failed(err)
		q.PausedUntil = timestamp(pause.Until)
	}
	q.Totals, err = a.s.totals.of(ctx, sample.GetQueue())
	failed(err)
	q.LastMinute, err = a.s.totals.lastMinute(ctx, sample.GetQueue())
	failed(err)
	return q, nil
}

// countWorkers counts the workers of queues, and adds the queues that only workers have.
func (a *adminService) countWorkers(ctx context.Context, all map[string]*v1.ListedQueue) error {
	if a.s.cfg.Fleet == nil {
		return nil
	}
	workers, err := a.s.cfg.Fleet.List(ctx)
	if err != nil {
		return err
	}
	for _, w := range workers {
		for _, wq := range w.Queues {
			q := all[wq.Name]
			if q == nil {
				q = &v1.ListedQueue{Info: &v1.QueueInfo{Name: wq.Name, Provider: wq.Provider}}
				all[wq.Name] = q
			}
			q.Workers++
		}
	}
	return nil
}

// ability is an open queue as one of the small interfaces of package driver. what says what the
// queue cannot do otherwise.
func ability[T any](s *Server, queue, what string, can func(driver.Capabilities) bool) (T, error) {
	q, err := s.cfg.Manager.Queue(queue)
	if err != nil {
		var none T
		return none, err
	}
	does, ok := q.(T)
	if !ok || !can(q.Capabilities()) {
		return does, fmt.Errorf("%w: queue %q cannot %s", driver.ErrUnsupported, queue, what)
	}
	return does, nil
}

func (a *adminService) pauser(queue string) (driver.Pauser, error) {
	return ability[driver.Pauser](a.s, queue, "be paused", func(c driver.Capabilities) bool { return c.Pause })
}

// PauseQueue implements the method of QueueAdminService.
func (a *adminService) PauseQueue(ctx context.Context, req *v1.PauseQueueRequest) (*v1.PauseQueueResponse, error) {
	p, err := a.pauser(req.GetQueue())
	if err != nil {
		return nil, err
	}
	var until time.Time
	if req.GetDuration() != nil {
		until = a.s.cfg.Manager.Now().Add(span(req.GetDuration()))
	}
	if err := p.Pause(ctx, until); err != nil {
		return nil, err
	}
	return &v1.PauseQueueResponse{PausedUntil: timestamp(until)}, nil
}

// ResumeQueue implements the method of QueueAdminService.
func (a *adminService) ResumeQueue(ctx context.Context, req *v1.ResumeQueueRequest) (*v1.ResumeQueueResponse, error) {
	p, err := a.pauser(req.GetQueue())
	if err != nil {
		return nil, err
	}
	if err := p.Resume(ctx); err != nil {
		return nil, err
	}
	return &v1.ResumeQueueResponse{}, nil
}

// PurgeQueue implements the method of QueueAdminService.
func (a *adminService) PurgeQueue(ctx context.Context, req *v1.PurgeQueueRequest) (*v1.PurgeQueueResponse, error) {
	p, err := ability[driver.Purger](a.s, req.GetQueue(), "be purged", func(c driver.Capabilities) bool { return c.Purge })
	if err != nil {
		return nil, err
	}
	if req.GetDryRun() {
		q, err := a.s.cfg.Manager.Queue(req.GetQueue())
		if err != nil {
			return nil, err
		}
		stats, err := q.Stats(ctx)
		if err != nil {
			return nil, err
		}
		return &v1.PurgeQueueResponse{Tasks: stats.Ready + stats.Scheduled}, nil
	}
	n, err := p.Purge(ctx)
	if err != nil {
		return nil, err
	}
	return &v1.PurgeQueueResponse{Tasks: int64(n)}, nil
}

// DeleteQueue implements the method of QueueAdminService.
func (a *adminService) DeleteQueue(ctx context.Context, req *v1.DeleteQueueRequest) (*v1.DeleteQueueResponse, error) {
	q, err := a.s.cfg.Manager.Queue(req.GetQueue())
	if err != nil {
		return nil, err
	}
	if q.Capabilities().Delete && !req.GetWithTasks() {
		if err := checkEmpty(ctx, q); err != nil {
			return nil, err
		}
	}
	if err := a.s.cfg.Manager.Delete(ctx, req.GetQueue()); err != nil {
		return nil, err
	}
	return &v1.DeleteQueueResponse{}, nil
}

// errHasTasks: the queue has tasks, or may have some.
var errHasTasks = errors.New("a queue with tasks is deleted only if with_tasks is set")

// checkEmpty returns an error wrapping errHasTasks unless a queue has no tasks.
func checkEmpty(ctx context.Context, q driver.Queue) error {
	stats, err := q.Stats(ctx)
	switch {
	case errors.Is(err, driver.ErrClosed), errors.Is(err, driver.ErrUnknownQueue):
		return nil // an earlier call has begun to delete it, or another process has deleted it
	case err != nil:
		return err
	case stats.Ready+stats.Scheduled+stats.Leased+stats.Dead > 0:
		return fmt.Errorf("%w: on %q %d wait, workers have %d, and %d are dead", errHasTasks, q.Config().Name, stats.Ready+stats.Scheduled, stats.Leased, stats.Dead)
	case !q.Capabilities().CountsScheduled:
		return fmt.Errorf("%w: on %q there may be some that are not due, which its provider cannot count", errHasTasks, q.Config().Name)
	}
	return nil
}

// ResetQueueStats implements the method of QueueAdminService.
func (a *adminService) ResetQueueStats(ctx context.Context, req *v1.ResetQueueStatsRequest) (*v1.ResetQueueStatsResponse, error) {
	if _, err := a.s.cfg.Manager.Queue(req.GetQueue()); err != nil {
		return nil, err
	}
	until, err := a.s.totals.reset(ctx, req.GetQueue())
	if err != nil {
		return nil, err
	}
	return &v1.ResetQueueStatsResponse{Totals: until}, nil
}
