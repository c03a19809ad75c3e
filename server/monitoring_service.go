package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
)

// defaultInterval is the time between two messages of StreamMetrics.
const defaultInterval = 5 * time.Second

// errNoFleet: there are no workers to show.
var errNoFleet = fmt.Errorf("%w: the server reads no fleet: set Config.Fleet", driver.ErrUnsupported)

// A monitoringService is the QueueMonitoringService of a server.
type monitoringService struct{ s *Server }

var _ taskgenv1connect.QueueMonitoringServiceHandler = (*monitoringService)(nil)

// GetQueueStats implements taskgenv1connect.QueueMonitoringServiceHandler.
func (m *monitoringService) GetQueueStats(ctx context.Context, req *v1.GetQueueStatsRequest) (*v1.GetQueueStatsResponse, error) {
	samples, err := m.s.samples(ctx, req.GetQueues())
	if err != nil {
		return nil, err
	}
	return &v1.GetQueueStatsResponse{Queues: samples}, nil
}

// GetQueueHealth implements taskgenv1connect.QueueMonitoringServiceHandler.
func (m *monitoringService) GetQueueHealth(ctx context.Context, req *v1.GetQueueHealthRequest) (*v1.GetQueueHealthResponse, error) {
	samples, err := m.s.samples(ctx, req.GetQueues())
	if err != nil {
		return nil, err
	}
	workers := m.s.workersForHealth(ctx)
	res := &v1.GetQueueHealthResponse{}
	for _, sample := range samples {
		h := &v1.QueueHealth{Queue: sample.GetQueue(), Problems: m.s.problems(sample, workers)}
		res.Queues = append(res.Queues, h)
	}
	return res, nil
}

// GetClusterInfo implements taskgenv1connect.QueueMonitoringServiceHandler.
func (m *monitoringService) GetClusterInfo(ctx context.Context, _ *v1.GetClusterInfoRequest) (*v1.GetClusterInfoResponse, error) {
	queues, c := m.s.cfg.Manager.Queues(), callerOf(ctx)
	info := &v1.GetClusterInfoResponse{
		Version: version(), Queues: int32(len(queues)), Fleet: m.s.cfg.Fleet != nil, Types: int32(len(m.s.types.list(ctx))),
		Caller: c.name, Role: string(c.role),
	}
	for _, name := range queues {
		_, provider, err := m.s.cfg.Manager.Declared(name)
		if errors.Is(err, driver.ErrUnknownQueue) { // it was deleted meanwhile
			info.Queues--
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(info.Providers, provider) {
			info.Providers = append(info.Providers, provider)
		}
	}
	if m.s.cfg.Fleet == nil {
		return info, nil
	}
	workers, err := m.s.cfg.Fleet.List(ctx)
	if err != nil {
		return nil, err
	}
	info.Workers = int32(len(workers))
	for _, w := range workers {
		info.Slots += int32(w.Slots)
		info.Busy += int32(w.Busy)
	}
	return info, nil
}

// ListWorkers implements taskgenv1connect.QueueMonitoringServiceHandler.
func (m *monitoringService) ListWorkers(ctx context.Context, _ *v1.ListWorkersRequest) (*v1.ListWorkersResponse, error) {
	if m.s.cfg.Fleet == nil {
		return nil, errNoFleet
	}
	workers, err := m.s.cfg.Fleet.List(ctx)
	if err != nil {
		return nil, err
	}
	res := &v1.ListWorkersResponse{}
	for _, w := range workers {
		res.Workers = append(res.Workers, workerOf(w))
	}
	return res, nil
}

// ListTypes implements taskgenv1connect.QueueMonitoringServiceHandler.
func (m *monitoringService) ListTypes(ctx context.Context, _ *v1.ListTypesRequest) (*v1.ListTypesResponse, error) {
	res := &v1.ListTypesResponse{}
	for _, t := range m.s.types.list(ctx) {
		known, ok := m.s.types.of(ctx, t.Name)
		enqueues := ok && known.maker != nil
		res.Types = append(res.Types, &v1.TaskType{
			Name: t.Name, Aliases: t.Aliases, Queue: t.Queue, Schema: t.Schema, Shape: t.Shape, Secrets: t.Secrets,
			Timeout: duration(t.Timeout), MaxRetries: int32(t.MaxRetries), Result: t.Result, Enqueues: enqueues,
		})
	}
	return res, nil
}

// StreamMetrics implements taskgenv1connect.QueueMonitoringServiceHandler.
func (m *monitoringService) StreamMetrics(ctx context.Context, req *v1.StreamMetricsRequest, stream *connect.ServerStream[v1.StreamMetricsResponse]) error {
	interval := defaultInterval
	if req.GetInterval() != nil {
		interval = req.GetInterval().AsDuration()
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		at := timestamppb.Now()
		samples, err := m.s.samples(ctx, req.GetQueues())
		if err != nil {
			return err
		}
		if err := stream.Send(&v1.StreamMetricsResponse{At: at, Queues: samples}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done(): // with the server, too
			return ctx.Err()
		}
	}
}

// workerOf is a worker as a message.
func workerOf(w *fleet.Worker) *v1.Worker {
	m := &v1.Worker{
		Id: w.ID, Name: w.Name, Host: w.Host, Pid: int64(w.PID), StartedAt: timestamp(w.StartedAt), HeartbeatAt: timestamp(w.HeartbeatAt),
		Build: &v1.Build{Path: w.Build.Path, Version: w.Build.Version, Revision: w.Build.Revision, Modified: w.Build.Modified, Go: w.Build.Go},
		Types: w.Types, Slots: int32(w.Slots), Busy: int32(w.Busy), Quiet: w.Quiet,
	}
	if w.Err != nil {
		m.Error = w.Err.Error()
	}
	for _, q := range w.Queues {
		m.Queues = append(m.Queues, &v1.WorkerQueue{Name: q.Name, Provider: q.Provider})
	}
	for _, r := range w.Running {
		m.Running = append(m.Running, &v1.RunningTask{TaskId: r.TaskID, Type: r.Type, Queue: r.Queue, Attempt: int32(r.Attempt), Since: timestamp(r.Since)})
	}
	return m
}
