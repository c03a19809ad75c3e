package boxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
)

func listing(d *env) {
	want := d.buryMails(11)
	var got []string
	for cursor := ""; ; {
		page, next, err := d.box.List(d.ctx, dlq.Filter{}, cursor, 4)
		d.ok(err, "list")
		for _, l := range page {
			got = append(got, l.ID)
		}
		d.check(next == "" || len(page) == 4, "a page of 4 that is not the last has %d letters", len(page))
		if cursor = next; cursor == "" {
			break
		}
	}
	d.check(slices.Equal(got, want), "listed %q, want %q", got, want)
	all := d.list(dlq.Filter{})
	d.check(slices.Equal(all, want), "listed %q after a look, want %q", all, want)
}

// looping discards letters while a loop over all goes on, and breaks it off on the
// second page.
func looping(d *env) {
	ids := d.buryMails(16)
	var met []string
	for l, err := range d.box.All(d.ctx, dlq.Filter{Type: "mail"}) {
		d.ok(err, "all")
		if len(met)%8 == 0 {
			gone, err := d.box.Discard(d.ctx, []string{l.ID})
			d.ok(err, "discard "+l.ID)
			d.check(len(gone) == 1, "%s was not there to be discarded", l.ID)
		}
		if met = append(met, l.ID); len(met) == 10 {
			break
		}
	}
	d.check(slices.Equal(met, ids[:10]), "came to %q, want %q", met, ids[:10])
	left := slices.DeleteFunc(ids, func(id string) bool { return id == "m00" || id == "m08" })
	met = nil
	for l, err := range d.box.All(d.ctx, dlq.Filter{}) {
		d.ok(err, "all that are left")
		met = append(met, l.ID)
	}
	d.check(slices.Equal(met, left), "came to %q, want %q", met, left)

	ctx, cancel := context.WithCancel(d.ctx)
	cancel()
	last := 0
	for l, err := range d.box.All(ctx, dlq.Filter{}) {
		d.is(err, context.Canceled, "all of a context that has ended")
		d.check(l.ID == "" && last == 0, "an error does not come alone and last")
		last++
	}
	d.check(last == 1, "a context that has ended is no error")
}

func filtering(d *env) {
	other := d.mail("other")
	other.Type = "letter"
	d.buryMails(3)
	d.bury(d.q, other, died.Add(3*time.Second), errors.New("ink is dry"))
	first, err := d.box.Show(d.ctx, "m00")
	d.ok(err, "show")
	for what, c := range map[string]struct {
		f    dlq.Filter
		want []string
	}{
		"queue":          {dlq.Filter{Queue: name}, []string{"m00", "m01", "m02", "other"}},
		"another queue":  {dlq.Filter{Queue: "nowhere"}, nil},
		"type":           {dlq.Filter{Type: "letter"}, []string{"other"}},
		"group":          {dlq.Filter{Group: first.Group}, []string{"m00"}},
		"reason":         {dlq.Filter{Reason: "MAILBOX"}, []string{"m01", "m02"}},
		"text: ID":       {dlq.Filter{Text: "THE"}, []string{"other"}},
		"text: payload":  {dlq.Filter{Text: "m01@example"}, []string{"m01"}},
		"text: a secret": {dlq.Filter{Text: "hush"}, nil},
		"before":         {dlq.Filter{Before: died.Add(time.Second)}, []string{"m00"}},
		"after":          {dlq.Filter{After: died.Add(2 * time.Second)}, []string{"m02", "other"}},
	} {
		d.lists(c.f, c.want, what)
	}
}

// telling has two queues share a dead letter queue.
func telling(d *env) {
	cfg := d.q.Config()
	cfg.Name = "fax"
	d.ok(d.m.Open(d.ctx, d.p, cfg), "open another queue with the dead letter queue of the first")
	fax, err := d.m.Queue("fax")
	d.ok(err, "the other queue")
	for i, id := range []string{"f1", "f2"} {
		t := d.mail(id)
		t.Queue = "fax"
		d.bury(fax, t, died.Add(time.Duration(i)*time.Second), errors.New("busy"))
	}
	mine := d.buryMails(3)
	d.lists(dlq.Filter{}, mine, "of the first queue")
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
	d.ok(err, "redrive")
	d.check(done.Moved == len(mine), "moved %d letters, want %d", done.Moved, len(mine))
	d.take(mine...)
	d.box = d.boxOf("fax")
	d.lists(dlq.Filter{}, []string{"f1", "f2"}, "of the other queue")
}

func grouping(d *env) {
	d.buryMails(10)
	groups, err := d.box.Groups(d.ctx, dlq.Filter{})
	d.ok(err, "groups")
	d.check(len(groups) == 2, "there are %d groups: %+v", len(groups), groups)
	at := func(i int) time.Time { return died.Add(time.Duration(i) * time.Second) }
	want := []dlq.Group{
		{ID: groups[0].ID, Type: "mail", Pattern: "mailbox “…” is full", Count: 6, First: at(1), Last: at(8), Example: "m08"},
		{ID: groups[1].ID, Type: "mail", Pattern: "dial #: timeout after # ms", Count: 4, First: at(0), Last: at(9), Example: "m09"},
	}
	d.check(reflect.DeepEqual(groups, want), "groups are %+v, want %+v", groups, want)
	d.lists(dlq.Filter{Group: groups[1].ID}, []string{"m00", "m03", "m06", "m09"}, "of a group")
}

func showing(d *env) {
	task := d.mail("m")
	task.Metadata = map[string]string{"tenant": "acme", "attempt_of_mine": "x"}
	d.enqueue(d.q, task)
	ds, err := d.q.Dequeue(d.ctx, 1, lease)
	d.ok(err, "dequeue")
	dead := ds[0].Task
	driver.RecordAttempt(dead, 1, "w 1", died, 1234567*time.Nanosecond, errors.New("no: answer"))
	driver.RecordAttempt(dead, 2, "", died.Add(time.Minute), time.Second, errors.New("no on: answer"))
	dead.RetryCount = 1
	dead.Metadata["stack_2"] = "main.go:1"
	driver.RecordDeath(dead, name, died.Add(time.Minute), errors.New("no on: answer"))
	d.ok(d.q.DeadLetter(d.ctx, ds), "dead letter")

	l, err := d.box.Show(d.ctx, "m")
	d.ok(err, "show")
	want := []dlq.Attempt{
		{Number: 1, At: died, Took: 1235 * time.Microsecond, Worker: "w-1", Error: "no: answer"},
		{Number: 2, At: died.Add(time.Minute), Took: time.Second, Error: "no on: answer", Stack: "main.go:1"},
	}
	d.check(reflect.DeepEqual(l.Attempts, want), "attempts are %+v, want %+v", l.Attempts, want)
	d.check(maps.Equal(l.Metadata, task.Metadata), "metadata is %v", l.Metadata)
	d.check(l.Type == "mail" && l.Queue == name && l.Reason == "no on: answer" && l.Runs == 2 && l.FailedAt.Equal(died.Add(time.Minute)) && l.MaxRetries == 3 && l.Shape == "0123456789ab", "it is %+v", l)
	const payload = `{"keys":[{"value":"••••"}],"password":"••••","size":12345678901234567890,"to":"m@example.com"}`
	d.check(string(l.Payload) == payload, "its payload is %s, want %s", l.Payload, payload)

	_, err = d.box.Show(d.ctx, "nobody")
	d.is(err, runtime.ErrTaskNotFound, "show of what is not there")
}

func exporting(d *env) {
	ids := d.buryMails(8)
	var out bytes.Buffer
	n, err := d.box.Export(d.ctx, dlq.Filter{}, &out)
	d.ok(err, "export")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	d.check(n == len(ids) && len(lines) == n, "it says that it exported %d letters, and wrote %d lines", n, len(lines))
	d.check(!strings.Contains(out.String(), "hush"), "a secret is exported: %s", out.String())
	for i, line := range lines {
		var l dlq.Letter
		d.ok(json.Unmarshal([]byte(line), &l), "a line")
		d.check(l.ID == ids[i] && len(l.Attempts) == 1 && strings.Contains(string(l.Payload), ids[i]), "line %d is %s", i, line)
	}
}

// returning has a redriven letter die once more.
func returning(d *env) {
	for i := range 2 {
		if i == 0 {
			d.enqueue(d.q, d.mail("m"))
		}
		ds, err := d.q.Dequeue(d.ctx, 1, lease)
		d.ok(err, "dequeue")
		driver.RecordAttempt(ds[0].Task, 1, "w", died, time.Second, fmt.Errorf("cause %c", 'a'+i))
		driver.RecordDeath(ds[0].Task, name, died, fmt.Errorf("cause %c", 'a'+i))
		d.ok(d.q.DeadLetter(d.ctx, ds), "dead letter")
		l, err := d.box.Show(d.ctx, "m")
		d.ok(err, "show")
		d.check(l.RedriveCount == i && l.Runs == 1 && len(l.Attempts) == 1 && l.Reason == fmt.Sprintf("cause %c", 'a'+i), "it is %+v", l)
		_, err = d.box.Redrive(d.ctx, dlq.Redrive{IDs: []string{"m"}})
		d.ok(err, "redrive")
	}
	back := d.take("m")["m"]
	d.check(back.Metadata[driver.MetaRedriveCount] == "2" && back.Metadata[driver.MetaRedrivenFrom] == d.q.Config().DLQ, "its metadata is %v", back.Metadata)
}

// finding looks tasks up by their IDs, on queues that can.
func finding(d *env) {
	f, ok := d.q.(driver.Finder)
	if !ok {
		d.Skip("the queue is no Finder")
	}
	find := func(id string, want ...driver.State) []driver.Found {
		d.Helper()
		all, err := f.Find(d.ctx, id)
		d.ok(err, "find "+id)
		var got []driver.State
		for _, x := range all {
			got = append(got, x.State)
			d.check(x.Task.ID == id && x.Task.Type == "mail", "found %+v, want %s", x.Task, id)
			d.check((x.State == driver.Ready || x.State == driver.Scheduled) != x.DueAt.IsZero(), "%s is %s and due at %s", id, x.State, x.DueAt)
		}
		d.check(slices.Equal(got, want), "%s is %q, want %q", id, got, want)
		return all
	}
	d.buryMails(20)
	dead := find("m07", driver.Dead)[0]
	d.check(dead.Task.Metadata[driver.MetaFailureReason] == reason(7).Error(), "it says why it died: %v", dead.Task.Metadata)
	find("nobody")

	d.enqueue(d.q, d.mail("leased"))
	held, err := d.q.Dequeue(d.ctx, 1, lease)
	d.ok(err, "dequeue")
	d.enqueue(d.q, d.mail("ready"), d.mail("released"))
	later := d.mail("later")
	later.ScheduledFor = time.Now().Add(time.Hour)
	d.enqueue(d.q, later)
	find("leased", driver.Leased)
	find("ready", driver.Ready)
	due := find("later", driver.Scheduled)[0].DueAt
	d.check(due.Sub(later.ScheduledFor).Abs() < time.Second, "it is due at %s, want %s", due, later.ScheduledFor)

	held[0].Delay = time.Hour
	d.ok(d.q.Release(d.ctx, held), "release")
	due = find("leased", driver.Scheduled)[0].DueAt
	d.check(time.Until(due) > 50*time.Minute, "what was released for an hour is due at %s", due)

	d.enqueue(d.q, d.mail("m07")) // the ID again
	find("m07", driver.Ready, driver.Dead)

	other, err := d.p.Open(d.ctx, runtime.QueueConfig{Name: "other", DLQ: d.q.Config().DLQ})
	d.ok(err, "open another queue")
	defer func() { d.ok(other.Close(), "close it") }()
	all, err := other.(driver.Finder).Find(d.ctx, "m08")
	d.ok(err, "find")
	d.check(len(all) == 0, "the dead of another queue are its own: %v", all)
	dlq, err := d.p.Open(d.ctx, runtime.QueueConfig{Name: d.q.Config().DLQ})
	d.ok(err, "open the dead letter queue")
	defer func() { d.ok(dlq.Close(), "close it") }()
	all, err = dlq.(driver.Finder).Find(d.ctx, "m08")
	d.ok(err, "find")
	d.check(len(all) == 1 && all[0].State == driver.Ready, "on the dead letter queue it is ready: %v", all)
}
