package server

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// bulkBatch is how many items one call to a queue is about.
	bulkBatch = 100
	// bulkCallLimit bounds one such call. To cancel a job waits for the call that is under way.
	bulkCallLimit = 30 * time.Second
	// bulkErrors and bulkExamples bound what a job tells of single items.
	bulkErrors, bulkExamples = 10, 10
	// unlimitedRate is a rate in items a second that no queue takes.
	unlimitedRate = 1e6
)

// A bulkJob works on many items: first it collects those that its request means, and then it
// deals with them, some at a time. What it has collected stays with it, so that it can be resumed.
type bulkJob struct {
	text string   // of the filter
	ids  []string // instead of a filter; none: the filter decides
	// collect calls found with each item that the filter means; find is for one ID of ids.
	collect func(ctx context.Context, found func(key, id string)) error
	find    func(ctx context.Context, id string) (key, taskID string, err error)
	// do deals with the items that keys identify, and returns the keys of those that are done.
	// A *driver.BatchError is about single items. After another error it is unknown what else
	// was done: the same call is made again when the job is resumed, and must do nothing twice.
	do func(ctx context.Context, keys []string) (done []string, err error)

	mu      sync.Mutex
	m       *v1.BulkJob
	keys    []string           // items that are left
	ready   bool               // keys are collected
	changed chan struct{}      // closed at the next change
	over    chan struct{}      // closed when the job does not run any more
	stop    context.CancelFunc // ends it after the call that is under way
}

func newBulkJob(ctx context.Context, kind v1.BulkKind, queue, filter string, ids []string, o *v1.BulkOptions) *bulkJob {
	return &bulkJob{
		text: filter, ids: ids, changed: make(chan struct{}),
		m: &v1.BulkJob{
			Id: strings.ToLower(rand.Text()), Kind: kind, Queue: queue, Filter: filter, Ids: int32(len(ids)),
			DryRun: o.GetDryRun(), Rate: o.GetRate(), Reason: o.GetReason(), Caller: callerOf(ctx).name,
		},
	}
}

// message is the job as it is now.
func (j *bulkJob) message() *v1.BulkJob {
	m, _ := j.watch()
	return m
}

// watch is the job as it is now, and what is closed when that changes.
func (j *bulkJob) watch() (*v1.BulkJob, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return proto.Clone(j.m).(*v1.BulkJob), j.changed
}

// update changes what the job tells of itself.
func (j *bulkJob) update(change func(m *v1.BulkJob)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(j.m)
	close(j.changed)
	j.changed = make(chan struct{})
}

// runs reports whether a state is that of a job that works.
func runs(s v1.BulkState) bool { return s == v1.BulkState_BULK_STATE_RUNNING }

// work does what is left. It ends with ctx, but for the call that is under way: that one ends with
// hard.
func (j *bulkJob) work(ctx, hard context.Context) error {
	if !j.ready {
		if err := j.gather(ctx); err != nil {
			return err
		}
	}
	if j.m.GetDryRun() {
		return nil
	}
	limiter := bulkLimiter(j.m.GetRate())
	for len(j.keys) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		keys := j.keys[:min(limiter.Burst(), len(j.keys))]
		if err := limiter.WaitN(ctx, len(keys)); err != nil {
			return err
		}
		call, cancel := context.WithTimeout(hard, bulkCallLimit)
		done, err := j.do(call, keys)
		cancel()
		if err := j.note(keys, done, err); err != nil {
			return err
		}
	}
	return nil
}

// bulkLimiter admits the items of a tenth of a second at a time, or one where that is more.
func bulkLimiter(perSecond float64) *rate.Limiter {
	if !(perSecond > 0 && perSecond < unlimitedRate) {
		return rate.NewLimiter(rate.Inf, bulkBatch)
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(math.Max(1, math.Min(bulkBatch, perSecond/10))))
}

// gather collects the items. A job that is cancelled meanwhile begins anew when it is resumed.
func (j *bulkJob) gather(ctx context.Context) error {
	var keys, examples []string
	var missing []*v1.BulkItemError
	seen := make(map[string]bool)
	found := func(key, id string) {
		if seen[key] { // a task that moved between two pages
			return
		}
		seen[key] = true
		keys = append(keys, key)
		if len(examples) < bulkExamples {
			examples = append(examples, id)
		}
	}
	if err := j.each(ctx, found, &missing); err != nil {
		return err
	}
	j.keys, j.ready = keys, true
	j.update(func(m *v1.BulkJob) {
		m.Total, m.Examples = proto.Int64(int64(len(keys)+len(missing))), examples
		m.Failed, m.Errors = int64(len(missing)), missing[:min(len(missing), bulkErrors)]
		if m.GetDryRun() {
			m.Done = int64(len(keys))
		}
	})
	return nil
}

// each calls found with the items that the request means. IDs that name none are missing.
func (j *bulkJob) each(ctx context.Context, found func(key, id string), missing *[]*v1.BulkItemError) error {
	if len(j.ids) == 0 {
		return j.collect(ctx, found)
	}
	for _, id := range j.ids {
		key, task, err := j.find(ctx, id)
		switch {
		case errors.Is(err, driver.ErrTaskNotFound):
			*missing = append(*missing, &v1.BulkItemError{Id: id, Error: itemError(err)})
		case err != nil:
			return err
		default:
			found(key, task)
		}
	}
	return nil
}

// note takes what became of the next items. It returns an error that is about more than single
// ones: those of which nothing is known are left then.
func (j *bulkJob) note(keys, done []string, err error) error {
	var failed *driver.BatchError
	whole := err != nil && !errors.As(err, &failed)
	left := j.keys[len(keys):]
	if whole {
		left = append(slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return slices.Contains(done, key) }), left...)
	}
	j.keys = left
	j.update(func(m *v1.BulkJob) {
		m.Done += int64(len(done))
		if whole {
			return
		}
		if failed != nil {
			for _, it := range failed.Items {
				m.Failed++
				if len(m.GetErrors()) < bulkErrors {
					m.Errors = append(m.Errors, &v1.BulkItemError{Id: it.ID, Error: itemError(it.Err)})
				}
			}
			m.Skipped -= int64(len(failed.Items))
		}
		m.Skipped += int64(len(keys) - len(done))
	})
	if whole {
		return err
	}
	return nil
}

// end is the state of a job that does not work any more, by the error of its work. stopped says
// that it was cancelled. Whoever waits for the end sees the state, and a job that is resumed at
// once has an end of its own.
func (j *bulkJob) end(err error, stopped bool) {
	j.update(func(m *v1.BulkJob) {
		m.EndedAt, m.State = timestamppb.Now(), v1.BulkState_BULK_STATE_DONE
		switch {
		case err != nil && stopped && errors.Is(err, context.Canceled):
			m.State = v1.BulkState_BULK_STATE_CANCELLED
		case err != nil:
			m.State, m.Error = v1.BulkState_BULK_STATE_FAILED, itemError(err)
		default:
			j.keys = nil
		}
		close(j.over)
	})
}
