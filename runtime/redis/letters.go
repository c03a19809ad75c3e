package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/taskgen/taskgen/runtime"
)

// Letters keeps dead tasks on the provider's server, as a dlq.TaskStore. It is safe
// for use by many goroutines, and by many processes. It ends with its provider.
type Letters struct {
	p    *Provider
	keys [letterKeyCount]string
}

// Letters returns the store of dead tasks on the same server. Providers with one
// prefix share it. All of it is in one slot of a Cluster, and nothing is left of it
// on the server once all tasks are deleted.
func (p *Provider) Letters() *Letters { return &Letters{p, letterKeys(p.prefix)} }

// Put keeps tasks, each in place of an earlier one with its ID. Up to 100 are written
// at once, all of them or none. After an error some may be kept: to put them all
// again is safe.
func (ls *Letters) Put(ctx context.Context, tasks []*runtime.Task) error {
	args := make([]any, 0, 2*len(tasks))
	for _, t := range tasks {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("keep dead tasks: %w", err)
		}
		args = append(args, t.ID, runtime.AppendEnvelope(nil, t))
	}
	for len(args) > 0 {
		n := min(2*putChunk, len(args))
		if _, err := ls.p.runKeys(ctx, lettersPut, ls.keys[:], args[:n]...); err != nil {
			return fmt.Errorf("keep dead tasks: %w", err)
		}
		args = args[n:]
	}
	return nil
}

// Get returns a task, or an error wrapping runtime.ErrTaskNotFound.
func (ls *Letters) Get(ctx context.Context, id string) (*runtime.Task, error) {
	reply, err := ls.p.runKeys(ctx, lettersGet, ls.keys[:], id)
	if err != nil {
		return nil, fmt.Errorf("read dead task %s: %w", id, err)
	}
	switch text, ok := reply.(string); {
	case !ok:
		return nil, fmt.Errorf("read dead task %s: %w", id, errReply)
	case text == "":
		return nil, fmt.Errorf("%w: no dead task %s is kept", runtime.ErrTaskNotFound, id)
	default:
		return runtime.DecodeEnvelope([]byte(text))
	}
}

// List returns up to limit tasks after the cursor in the order in which they were
// put, and the cursor of the next page, empty after the last.
func (ls *Letters) List(ctx context.Context, cursor string, limit int) (tasks []*runtime.Task, next string, err error) {
	after := int64(0)
	if cursor != "" {
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("list dead tasks: %q is no cursor", cursor)
		}
	}
	reply, err := ls.p.runKeys(ctx, lettersList, ls.keys[:], after, limit+1)
	if err == nil {
		tasks, next, err = letterPage(reply, limit)
	}
	if err != nil {
		return nil, "", fmt.Errorf("list dead tasks: %w", err)
	}
	return tasks, next, nil
}

// letterPage reads place and envelope for each task of a page, and for one more
// where there is another page.
func letterPage(reply any, limit int) (tasks []*runtime.Task, next string, err error) {
	list, ok := reply.([]any)
	if !ok || len(list)%2 != 0 {
		return nil, "", errReply
	}
	for i := 0; i < len(list); i += 2 {
		if len(tasks) == limit {
			return tasks, next, nil
		}
		place, ok1 := list[i].(string)
		text, ok2 := list[i+1].(string)
		if !ok1 || !ok2 {
			return nil, "", errReply
		}
		t, err := runtime.DecodeEnvelope([]byte(text))
		if err != nil {
			return nil, "", err
		}
		tasks, next = append(tasks, t), place
	}
	return tasks, "", nil
}

// Delete removes tasks, and returns the IDs of those that it removed, also where it
// fails before the others. Where the server's reply was lost and the client has asked
// again, those that the first request removed are gone and not named.
func (ls *Letters) Delete(ctx context.Context, ids []string) (deleted []string, err error) {
	for from := 0; from < len(ids); from += putChunk {
		part := ids[from:min(from+putChunk, len(ids))]
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
