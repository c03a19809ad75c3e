package drivertest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Where a provider shows a message that cannot be decoded.
const (
	reported  = "reported"
	handedOut = "handed out"
	listed    = "listed"
)

// decoding buries foreign bytes by itself, as a provider does whose backend has bytes, and
// shows them as change leaves them. A task that change returns nil for is not shown.
func decoding(change func(where string, t *runtime.Task) *runtime.Task) fault {
	shown := func(where string, t *runtime.Task) *runtime.Task {
		var body []string
		if json.Unmarshal(t.Payload, &body) != nil || len(body) != 2 {
			return t
		}
		message, _ := base64.StdEncoding.DecodeString(body[1])
		return change(where, driver.Undecodable(t.ID, "q", message, t.CreatedAt, errors.New("it is no envelope")))
	}
	var ids sync.Map // by receipt
	return fault{
		dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			ds, err := q.Dequeue(ctx, limit, lease)
			var kept []*driver.Delivery
			for _, d := range ds {
				if q.Config().Name == "q" && isForeign(d) {
					t := shown(reported, d.Task)
					// The end of the wait must not undo what was found before it.
					if err := q.DeadLetter(context.WithoutCancel(ctx), one(d)); err != nil {
						return nil, err
					}
					if t != nil {
						driver.Buried(ctx, t)
					}
					continue
				}
				ids.Store(d.Receipt, d.Task.ID)
				if t := shown(handedOut, d.Task); t != nil {
					d.Task = t
					kept = append(kept, d)
				}
			}
			if err == nil && len(kept) == 0 {
				err = driver.ErrNoTasks
			}
			return kept, err
		},
		release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
			for _, d := range ds {
				id, _ := ids.Load(d.Receipt)
				d.Task.ID = id.(string)
			}
			return q.Release(ctx, ds)
		},
		browse: func(q referenceQueue, ctx context.Context, state driver.State, from string, limit int) ([]*runtime.Task, string, error) {
			page, next, err := q.Browse(ctx, state, from, limit)
			var all []*runtime.Task
			for _, t := range page {
				if t := shown(listed, t); t != nil {
					all = append(all, t)
				}
			}
			return all, next, err
		},
	}
}

func TestAProviderThatShowsWhatItCannotDecodePasses(t *testing.T) {
	t.Parallel()
	r := runTestCase(t, withBytes(decoding(func(_ string, t *runtime.Task) *runtime.Task { return t })), testUndecodable, defaultPatience)
	assert.False(t, r.Failed(), r.Text())
}

func TestAProviderThatMisrepresentsWhatItCannotDecodeFails(t *testing.T) {
	t.Parallel()
	changed := func(where string, change func(*runtime.Task)) fault {
		return decoding(func(at string, t *runtime.Task) *runtime.Task {
			if where == at {
				change(t)
			}
			return t
		})
	}
	without := func(where string) fault {
		return decoding(func(at string, t *runtime.Task) *runtime.Task {
			if where == at {
				return nil
			}
			return t
		})
	}
	const prefix = "undecodable."
	renaming := decoding(func(_ string, t *runtime.Task) *runtime.Task {
		t.ID = prefix + t.ID
		return t
	})
	discarding := renaming
	discarding.redrive = func(q referenceQueue, ctx context.Context, ids []string) ([]string, error) {
		_, err := q.Redrive(ctx, []string{strings.TrimPrefix(ids[0], prefix)})
		return ids, err
	}
	var reads atomic.Int64
	for name, f := range map[string]fault{
		"hands out what it cannot decode":              {},
		"does not report what it buries":               without(reported),
		"does not list what it cannot decode":          without(listed),
		"gives it another ID with each read":           changed(handedOut, func(t *runtime.Task) { t.ID += fmt.Sprint("-", reads.Add(1)) }),
		"reports it under another ID":                  changed(reported, func(t *runtime.Task) { t.ID = prefix + t.ID }),
		"lists it under another ID":                    changed(listed, func(t *runtime.Task) { t.ID = prefix + t.ID }),
		"gives all of them one ID":                     changed(reported, func(t *runtime.Task) { t.ID = "unknown" }),
		"reports it cut":                               changed(reported, func(t *runtime.Task) { t.Payload = []byte(`"AA=="`) }),
		"hands it out cut":                             changed(handedOut, func(t *runtime.Task) { t.Payload = []byte(`"AA=="`) }),
		"lists it cut":                                 changed(listed, func(t *runtime.Task) { t.Payload = []byte(`"AA=="`) }),
		"gives it a type of its own":                   changed(listed, func(t *runtime.Task) { t.Type = "bytes" }),
		"has words of its own for the reason":          changed(reported, func(t *runtime.Task) { t.Metadata[driver.MetaFailureReason] = "it is no task" }),
		"forgets the queue":                            changed(handedOut, func(t *runtime.Task) { delete(t.Metadata, driver.MetaOriginalQueue) }),
		"counts a run of what it has never handed out": changed(handedOut, func(t *runtime.Task) { t.Metadata[driver.MetaAttempts] = "1" }),
		"redrives it by an ID of its own":              renaming,
		"discards it by an ID of its own":              discarding,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runTestCase(t, withBytes(f), testUndecodable, time.Second)
			assert.True(t, r.Failed(), "a provider that %s passes", name)
			t.Log(r.Text())
		})
	}
}
