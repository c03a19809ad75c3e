package pool

import (
	"context"

	"github.com/taskgen/taskgen/runtime/driver"
)

// callHook calls a hook for the task of a run, which dies. A panic of the hook is an error.
func (c *taskContext) callHook(ctx context.Context, hook DeadHook, t *driver.Task, cause error) (err error) {
	info := c.info
	info.Task = c.dead(t)
	info.Deadline, _ = ctx.Deadline()
	ctx = context.WithValue(ctx, runKey{}, &execution{info: info, policy: c.policy})
	defer func() {
		if v := recover(); v != nil {
			err = driver.Recovered(v)
		}
	}()
	if err = hook(ctx, info.Task, cause); err != nil {
		_ = err.Error() // of a nil pointer it panics: here, where the panic is caught
	}
	return err
}

// dead is a dying task, with the payload that came through the middleware.
func (c *taskContext) dead(t *driver.Task) *driver.Task {
	plain := c.plain.Load()
	if plain == nil || plain == t {
		return t
	}
	d := *t
	d.Payload, d.Encoding = plain.Payload, plain.Encoding
	return &d
}

// A Burial calls the hook for a task that dies in the hands of a worker elsewhere, and reports
// whether there is one. The middleware has the task before, as it has a task that a pool refuses
// to run for this cause: the hook gets the payload that comes through it. ctx is that of both.
type Burial func(ctx context.Context, d *driver.Delivery, cause error) (found bool, err error)

// bury is the Burial of a routing.
func (x *routing) bury(ctx context.Context, d *driver.Delivery, cause error) (found bool, err error) {
	rt := x.routes[d.Task.Type]
	if rt == nil || x.onDead[rt.policy.Type] == nil {
		return false, nil
	}
	info := runInfo{Task: d.Task, Attempt: d.Attempt(), Crashes: d.Crashes}
	info.Deadline, _ = ctx.Deadline()
	c := new(taskContext)
	c.begin(execution{info: info, policy: &rt.policy, refused: cause}, &ctx)
	_ = call(x.handler, c, d.Task) // it is refused, whatever the middleware makes of that
	c.finish()
	return true, c.callHook(ctx, x.onDead[rt.policy.Type], d.Task, cause)
}
