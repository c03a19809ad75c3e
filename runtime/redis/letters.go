package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Letters keeps dead tasks on the provider's server, as a dlq.TaskStore. It is safe for
// concurrent use, by many processes too. It is closed with its provider.
type Letters struct {
	p    *Provider
	keys [letterKeyCount]string
}

// Letters returns the store of dead tasks on the same server. Providers with the same
// prefix share it. It is in one slot of a Cluster, and leaves nothing on the server once
// all tasks are deleted.
func (p *Provider) Letters() *Letters { return &Letters{p, letterKeys(p.prefix)} }

// Put stores tasks, each replacing an earlier one with its ID. It writes up to 100 at
// once, and at most 512 KB, all of them or none. After an error some may be stored: it is
// safe to put them all again.
func (ls *Letters) Put(ctx context.Context, tasks []*driver.Task) error {
	for _, t := range tasks {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("store dead tasks: %w", err)
		}
	}
	for len(tasks) > 0 {
		args := make([]any, 0, 2*min(maxScriptPuts, len(tasks)))
		for size := 0; len(tasks) > 0 && len(args) < 2*maxScriptPuts; tasks = tasks[1:] {
			if size > 0 && size+len(tasks[0].Payload) > maxScriptBytes {
				break
			}
			envelope := driver.AppendEnvelope(nil, tasks[0])
			size += len(envelope)
			args = append(args, tasks[0].ID, envelope)
		}
		if _, err := ls.p.runKeys(ctx, lettersPut, ls.keys[:], args...); err != nil {
			return fmt.Errorf("store dead tasks: %w", err)
		}
	}
	return nil
}

// Get returns a task, or an error wrapping driver.ErrTaskNotFound.
func (ls *Letters) Get(ctx context.Context, id string) (*driver.Task, error) {
	reply, err := ls.p.runKeys(ctx, lettersGet, ls.keys[:], id)
	if err != nil {
		return nil, fmt.Errorf("read dead task %s: %w", id, err)
	}
	switch text, ok := reply.(string); {
	case !ok:
		return nil, fmt.Errorf("read dead task %s: %w", id, errReply)
	case text == "":
		return nil, fmt.Errorf("%w: no dead task %s is stored", driver.ErrTaskNotFound, id)
	default:
		return driver.DecodeEnvelope([]byte(text))
	}
}

// List returns up to limit tasks after the cursor, in the order in which they were
// stored, and the cursor of the next page, empty after the last. A page ends before its
// limit once it is larger than 16 MB.
func (ls *Letters) List(ctx context.Context, cursor string, limit int) (tasks []*driver.Task, next string, err error) {
	after := int64(0)
	if cursor != "" {
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("list dead tasks: %q is not a cursor", cursor)
		}
	}
	for place, bytes := strconv.FormatInt(after, 10), 0; ; {
		reply, err := ls.p.runKeys(ctx, lettersList, ls.keys[:], place, min(limit-len(tasks)+1, maxScriptTasks), maxScriptBytes)
		list, ok := reply.([]any)
		if err == nil && (!ok || len(list)%2 != 0) {
			err = errReply
		}
		if err != nil {
			return nil, "", fmt.Errorf("list dead tasks: %w", err)
		}
		if len(list) == 0 {
			return tasks, "", nil
		}
		for i := 0; i < len(list); i += 2 {
			if len(tasks) == limit || bytes > maxPageBytes {
				return tasks, place, nil
			}
			place = text(list[i])
			envelope := text(list[i+1])
			bytes += len(envelope)
			t, err := driver.DecodeEnvelope(bytesOf(envelope))
			if err != nil {
				return nil, "", fmt.Errorf("list dead tasks: %w", err)
			}
			tasks = append(tasks, t)
		}
	}
}

// Delete removes tasks, and returns the IDs of those that it removed, even if it fails
// before the others. If the server's reply was lost and the client repeated the request,
// tasks that the first request removed are gone but not in the result.
func (ls *Letters) Delete(ctx context.Context, ids []string) (deleted []string, err error) {
	for from := 0; from < len(ids); from += maxScriptPuts {
		part := ids[from:min(from+maxScriptPuts, len(ids))]
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = id
		}
		reply, err := ls.p.runKeys(ctx, lettersDelete, ls.keys[:], args...)
		codes, ok := reply.([]any)
		if err == nil && (!ok || len(codes) != len(part)) {
			err = errReply
		}
		if err != nil {
			return deleted, fmt.Errorf("delete dead tasks: %w", err)
		}
		for i, id := range part {
			if codes[i] == int64(1) {
				deleted = append(deleted, id)
			}
		}
	}
	return deleted, nil
}

// Swap replaces the tasks of the given deaths that are still stored, and removes those
// whose replacement is nil. It returns the deaths of the tasks that it replaced, even
// if it fails before the others. If the server's reply was lost and the client repeated
// the request, tasks that the first request removed are gone but not in the result.
func (ls *Letters) Swap(ctx context.Context, was []driver.Death, with []*driver.Task) (swapped []driver.Death, err error) {
	left := make([]int, len(was)) // positions in was
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		part := left[:min(maxScriptPuts, len(left))]
		n, done, again, err := ls.swap(ctx, part, was, with)
		if err != nil {
			return swapped, fmt.Errorf("replace dead tasks: %w", err)
		}
		for _, i := range done {
			swapped = append(swapped, was[i])
		}
		left = append(left[n:], again...)
	}
	return swapped, nil
}

// swap looks at the first tasks of some: at n, as many as one script reads. It returns
// the places of those that it has replaced, and of those that changed meanwhile.
func (ls *Letters) swap(ctx context.Context, some []int, was []driver.Death, with []*driver.Task) (n int, done, again []int, err error) {
	args := make([]any, 1, 1+len(some))
	args[0] = maxScriptBytes
	for _, i := range some {
		args = append(args, was[i].ID)
	}
	reply, err := ls.p.runKeys(ctx, lettersRead, ls.keys[:], args...)
	envelopes, ok := reply.([]any)
	if err == nil && (!ok || len(envelopes) == 0 || len(envelopes) > len(some)) {
		err = errReply
	}
	if err != nil {
		return 0, nil, nil, err
	}
	var found []int
	args = args[:0]
	for k := range envelopes {
		envelope, i := text(envelopes[k]), some[k]
		task, err := driver.DecodeEnvelope([]byte(envelope))
		if err != nil || driver.DeathOf(task) != was[i] {
			continue
		}
		var next []byte
		if with[i] != nil {
			next = driver.AppendEnvelope(nil, with[i])
		}
		found, args = append(found, i), append(args, was[i].ID, sumOf(envelope), next)
	}
	if len(found) == 0 {
		return len(envelopes), nil, nil, nil
	}
	reply, err = ls.p.runKeys(ctx, lettersSwap, ls.keys[:], args...)
	if err != nil {
		return 0, nil, nil, err
	}
	codes, err := codesOf(reply, len(found))
	if err != nil || len(codes) != len(found) {
		return 0, nil, nil, errReply
	}
	for k, code := range codes {
		switch code {
		case moved:
			done = append(done, found[k])
		case changed:
			again = append(again, found[k])
		}
	}
	return len(envelopes), done, again, nil
}
