package boxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// redrive does r, fails unless it moves want letters and keeps none, and returns what
// it did.
func (d *env) redrive(r dlq.Redrive, want int, what string) dlq.Redriven {
	d.Helper()
	done, err := d.box.Redrive(d.ctx, r)
	d.ok(err, what)
	d.check(done.Moved == want && len(done.Kept) == 0, "%s: moved %d letters, want %d; kept %v", what, done.Moved, want, done.Kept)
	return done
}

func redriving(d *env) {
	left := d.buryMails(16)
	groups, err := d.box.Groups(d.ctx, dlq.Filter{})
	d.ok(err, "groups")
	timeouts := groups[1].ID
	for _, c := range []struct {
		what string
		r    dlq.Redrive
		want []string
	}{
		{"none", dlq.Redrive{IDs: []string{}}, nil},
		{"one", dlq.Redrive{IDs: []string{"m03"}}, []string{"m03"}},
		{"some", dlq.Redrive{IDs: []string{"m00", "m04", "nobody"}}, []string{"m00", "m04"}},
		{"some of a group", dlq.Redrive{IDs: []string{"m05", "m06"}, Filter: dlq.Filter{Group: timeouts}}, []string{"m06"}},
		{"a group", dlq.Redrive{Filter: dlq.Filter{Group: timeouts}}, []string{"m09", "m12", "m15"}},
		{"those before", dlq.Redrive{Filter: dlq.Filter{Before: died.Add(8 * time.Second)}}, []string{"m01", "m02", "m05", "m07"}},
		{"all", dlq.Redrive{}, []string{"m08", "m10", "m11", "m13", "m14"}},
	} {
		told := 0
		c.r.Progress = func(n int) { told = n }
		d.redrive(c.r, len(c.want), c.what)
		d.check(told == len(c.want), "%s: told of %d moves, want %d", c.what, told, len(c.want))
		for id, task := range d.take(c.want...) {
			_, noted := task.Metadata[driver.MetaAttemptPrefix+"1"]
			d.check(task.Metadata[driver.MetaRedriveCount] == "1" && task.Metadata[driver.MetaRedrivenFrom] == d.q.Config().DLQ && !noted, "%s: metadata of %s is %v", c.what, id, task.Metadata)
			d.check(task.RetryCount == 0 && string(task.Payload) == string(d.mail(id).Payload), "%s: %s came back as %+v", c.what, id, task)
		}
		left = slices.DeleteFunc(left, func(id string) bool { return slices.Contains(c.want, id) })
		d.lists(dlq.Filter{}, left, "left after "+c.what)
	}
}

func counting(d *env) {
	ids := d.buryMails(9)
	d.redrive(dlq.Redrive{DryRun: true}, 9, "a dry run of all")
	d.redrive(dlq.Redrive{DryRun: true, Filter: dlq.Filter{Reason: "timeout"}}, 3, "a dry run of some")
	d.redrive(dlq.Redrive{DryRun: true, IDs: []string{"m01", "nobody"}}, 1, "a dry run of one")
	d.lists(dlq.Filter{}, ids, "after dry runs")
	d.take()
}

// pace returns a rate at which n letters take some batches, and the least time that
// they need.
func pace(n int) (rate runtime.Rate, least time.Duration) {
	const perSecond, first = 20, 2 // a batch is what may go in a tenth of a second: see newLimiter in package dlq
	return runtime.Rate{Limit: perSecond, Per: time.Second}, time.Duration(n-first) * time.Second / perSecond
}

func pacing(d *env) {
	ids := d.buryMails(14)
	rate, least := pace(len(ids))
	began := time.Now()
	d.redrive(dlq.Redrive{Rate: rate}, len(ids), "a redrive at a rate")
	took := time.Since(began)
	d.check(took >= least, "it took %s, and at this rate takes %s at least", took, least)
	d.take(ids...)
}

func resuming(d *env) {
	ids := d.buryMails(14)
	rate, _ := pace(len(ids))
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	first, err := d.box.Redrive(ctx, dlq.Redrive{Rate: rate, Progress: func(int) { cancel() }})
	d.is(err, context.Canceled, "a redrive that is broken off")
	d.check(strings.Contains(err.Error(), fmt.Sprintf("stopped after %d ", first.Moved)), "its error is %v, after %d", err, first.Moved)
	d.check(first.Moved > 0 && first.Moved < len(ids), "it moved %d of %d letters", first.Moved, len(ids))
	d.redrive(dlq.Redrive{Filter: dlq.Filter{Before: first.Until}}, len(ids)-first.Moved, "the rest of it")
	d.take(ids...)
	d.lists(dlq.Filter{}, nil, "after all")
}

// cutting cuts redrives off in the middle of their calls, again and again, and goes on
// until every letter is on the queue. What a call that was cut off had received may be
// away for a while.
func cutting(d *env) {
	ids := d.buryMails(24)
	cuts, again := 0, 0
	for after := 500 * time.Microsecond; cuts == 0 || after < time.Second; after *= 2 {
		ctx, cancel := context.WithTimeout(d.ctx, after)
		_, err := d.box.Redrive(ctx, dlq.Redrive{})
		cancel()
		if err == nil {
			break
		}
		cuts++
	}
	back := make(map[string]*runtime.Task)
	for len(back) < len(ids) {
		done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
		d.ok(err, fmt.Sprintf("redrive the rest, with %d of %d back", len(back), len(ids)))
		for id, why := range done.Kept { // it was moved by a call whose end was cut off
			d.is(why, runtime.ErrDuplicate, "letter "+id+" is kept")
		}
		again += d.drain(back)
	}
	d.Logf("%d redrives were cut off; %d tasks were on the queue twice, %d are dead besides", cuts, again, len(d.list(dlq.Filter{})))
}

func dying(d *env) {
	d.buryMails(4)
	rate, _ := pace(4)
	dead := false
	done := d.redrive(dlq.Redrive{Rate: rate, Progress: func(int) {
		if !dead {
			d.enqueue(d.q, d.mail("late"))
		}
		for !dead {
			ds, err := d.q.Dequeue(d.ctx, 1, lease)
			d.ok(err, "dequeue")
			for _, x := range ds {
				if dead = x.Task.ID == "late"; !dead {
					d.ok(d.q.Complete(d.ctx, ds), "complete")
					continue
				}
				driver.RecordDeath(x.Task, name, time.Now(), errors.New("x"))
				d.ok(d.q.DeadLetter(d.ctx, ds), "dead letter")
			}
		}
	}}, 4, "a redrive of those that are dead by now")
	d.check(done.Later == 0 || done.Later == 1 && d.receives(), "%d died later", done.Later)
	d.lists(dlq.Filter{}, []string{"late"}, "left")
}

// ahead redrives by a clock that stands still at the death of the third of four
// letters.
func ahead(d *env) {
	ids := d.buryMails(4)
	m := runtime.NewManager(runtime.ManagerConfig{Clock: tasktest.NewClock(died.Add(2 * time.Second))})
	d.ok(m.Open(d.ctx, d.p, d.q.Config()), "open the queue by a clock of its own")
	defer func() { d.ok(m.Close(), "close it") }()
	box, err := dlq.Open(m, name, dlq.Config{Router: router(), Provider: d.p, PageSize: 7})
	d.ok(err, "open the box")
	d.box = box
	if !d.receives() {
		done := d.redrive(dlq.Redrive{}, 4, "a redrive")
		d.check(done.Later == 0 && done.Until.After(died.Add(3*time.Second)), "%d died later than %s", done.Later, done.Until)
		d.take(ids...)
		return
	}
	for _, dry := range []bool{true, false} {
		done := d.redrive(dlq.Redrive{DryRun: dry}, 3, "a redrive of what died by now")
		d.check(done.Later == 1, "%d died later, want the one that was left", done.Later)
	}
	d.take(ids[:3]...)
	d.lists(dlq.Filter{}, ids[3:], "left")
	d.redrive(dlq.Redrive{Filter: dlq.Filter{Before: died.Add(time.Hour)}}, 1, "a redrive that says before when")
	d.take(ids[3:]...)
}

// meeting enqueues another task with the ID of a letter.
func meeting(d *env) {
	ids := d.buryMails(3)
	d.enqueue(d.q, d.mail("m01"))
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
	d.ok(err, "redrive")
	if !d.q.Capabilities().RefusesIDs { // it is there twice
		d.check(done.Moved == 3 && len(done.Kept) == 0, "moved %d, kept %v", done.Moved, done.Kept)
		d.take(ids...)
		return
	}
	d.check(done.Moved == 2 && len(done.Kept) == 1, "moved %d, kept %v", done.Moved, done.Kept)
	d.is(done.Kept["m01"], runtime.ErrDuplicate, "why it is kept")
	d.is(d.box.RedriveEdited(d.ctx, "m01", []byte(`{"to":"a"}`)), runtime.ErrDuplicate, "an edited redrive of it")
	d.lists(dlq.Filter{}, []string{"m01"}, "left")
	back := d.take(ids...)
	d.check(string(back["m01"].Payload) == string(d.mail("m01").Payload), "the task on the queue was overwritten: %s", back["m01"].Payload)
}

func editing(d *env) {
	d.buryMails(3)
	for _, bad := range []string{`{}`, `{"to":""}`, `{"to":"a","size":1.5}`, `{"to":"a","tto":"b"}`, `{"to":"a"} {}`, `nonsense`} {
		d.is(d.box.RedriveEdited(d.ctx, "m01", []byte(bad)), dlq.ErrInvalidPayload, "an edit to "+bad)
	}
	d.is(d.box.RedriveEdited(d.ctx, "nobody", []byte(`{"to":"a"}`)), runtime.ErrTaskNotFound, "an edit of what is not there")
	d.lists(dlq.Filter{}, []string{"m00", "m01", "m02"}, "after edits that were refused")

	edited := fmt.Sprintf(`{"to":"new","password":%q,"keys":[{"value":%[1]q},{"value":"mine"}]}`, runtime.Redacted)
	d.ok(d.box.RedriveEdited(d.ctx, "m01", []byte(edited)), "an edit")
	d.lists(dlq.Filter{}, []string{"m00", "m02"}, "after the edit")
	back := d.take("m01")["m01"]
	d.check(back.Shape == "00fe5a9d0b1c", "it came back with the shape %q, and not with that of its type", back.Shape)
	const payload = `{"keys":[{"value":"hush"},{"value":"mine"}],"password":"hush","to":"new"}`
	d.check(string(back.Payload) == payload, "it came back with %s, want %s", back.Payload, payload)
	d.check(back.Metadata[driver.MetaRedriveCount] == "1" && back.RetryCount == 0, "it came back as %+v", back)
}

func discarding(d *env) {
	d.buryMails(9)
	gone, err := d.box.Discard(d.ctx, []string{"m00", "nobody"})
	d.ok(err, "discard")
	d.check(slices.Equal(gone, []string{"m00"}), "discarded %q", gone)
	for _, c := range []struct {
		f    dlq.Filter
		want int
		left []string
	}{
		{dlq.Filter{Reason: "timeout"}, 2, []string{"m01", "m02", "m04", "m05", "m07", "m08"}},
		{dlq.Filter{}, 6, nil},
	} {
		n, err := d.box.DiscardMatching(d.ctx, c.f)
		d.ok(err, "discard what is chosen")
		d.check(n == c.want, "discarded %d, want %d", n, c.want)
		d.lists(dlq.Filter{}, c.left, "left")
	}
	d.take()
}

func retaining(d *env) {
	d.buryMails(2)
	d.bury(d.q, d.mail("young"), time.Now(), errors.New("x"))
	keep := dlq.Retention{Box: d.box, Age: time.Hour}
	for _, want := range []int{2, 0} {
		n, err := keep.Discard(d.ctx)
		d.ok(err, "discard what is too old")
		d.check(n == want, "discarded %d, want %d", n, want)
		d.lists(dlq.Filter{}, []string{"young"}, "left")
	}
}

// forgetting redrives letters by each way that there is.
func forgetting(d *env) {
	results := memory.NewResults()
	m := runtime.NewManager(runtime.ManagerConfig{Results: results})
	d.ok(m.Open(d.ctx, d.p, d.q.Config()), "open the queue")
	defer func() { d.ok(m.Close(), "close it") }()
	q, err := m.Queue(name)
	d.ok(err, "the queue")
	box, err := dlq.Open(m, name, dlq.Config{Router: router(), Provider: d.p, PageSize: 7})
	d.ok(err, "open the box")

	ids := d.buryMails(5)
	for _, id := range ids {
		d.ok(results.PutResult(d.ctx, id, nil, "no ink", time.Hour), "keep what became of it")
	}
	told := func(what string, want ...string) {
		d.Helper()
		rs, err := results.Peek(d.ctx, ids)
		d.ok(err, "peek")
		rs = slices.DeleteFunc(rs, func(r driver.StoredResult) bool { return r.Version == "" })
		d.check(len(rs) == len(want), "after %s the outcomes of %v are there, want those of %q", what, rs, want)
		for i := range rs {
			d.check(rs[i].ID == want[i], "after %s the outcomes of %v are there, want those of %q", what, rs, want)
		}
	}
	_, err = q.(driver.Redriver).Redrive(d.ctx, ids[:1])
	d.ok(err, "redrive by the queue")
	told("a redrive by the queue", ids[1:]...)
	_, err = box.Redrive(d.ctx, dlq.Redrive{IDs: ids[1:2]})
	d.ok(err, "redrive by the box")
	told("a redrive by the box", ids[2:]...)
	d.ok(box.RedriveEdited(d.ctx, ids[2], []byte(`{"to":"a"}`)), "redrive an edited one")
	told("an edited redrive", ids[3:]...)
	_, err = box.Discard(d.ctx, ids[3:4])
	d.ok(err, "discard")
	told("one that is discarded stays dead", ids[3:]...)
	_, err = q.(driver.Redriver).Redrive(d.ctx, nil)
	d.ok(err, "redrive all")
	told("a redrive of all", ids[3])
	d.take(ids[0], ids[1], ids[2], ids[4])
}
