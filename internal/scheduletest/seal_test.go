package scheduletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

type charge struct {
	Card string `json:"card" task:"secret"`
}

func charges() *runtime.Spec[charge] {
	return &runtime.Spec[charge]{Type: "charge", Queue: "charges", Secrets: []string{"/card"}}
}

// A vault is a service over a store, with or without a key ring.
type vault struct {
	*testing.T
	*schedule.Service
	store schedule.Store
	m     *runtime.Manager
}

func newVault(t *testing.T, store schedule.Store, ring *encrypt.KeyRing) *vault {
	t.Helper()
	var cfg runtime.ManagerConfig
	if ring != nil {
		cfg.Middleware = []runtime.EnqueueMiddleware{ring.Enqueue}
	}
	p, m := memory.New(), runtime.NewManager(cfg)
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "charges"}))
	t.Cleanup(func() { require.NoError(t, errors.Join(m.Close(), p.Close())) })
	return &vault{t, schedule.New(store, m, schedule.Config{}), store, m}
}

func newRing(t *testing.T, opts ...encrypt.Option) *encrypt.KeyRing {
	t.Helper()
	ring, err := encrypt.NewKeyRing("k", map[string][]byte{"k": bytes.Repeat([]byte{7}, encrypt.KeySize)}, opts...)
	require.NoError(t, err)
	return ring
}

// lies returns the payload of a job as it lies in the store.
func (v *vault) lies(id schedule.JobID) string {
	v.Helper()
	e, err := v.store.Get(v.Context(), id)
	require.NoError(v, err)
	return e.Task.Encoding + " " + string(e.Task.Payload)
}

// charged works off the queue, and returns the cards that were charged.
func (v *vault) charged(ring *encrypt.KeyRing) (cards []string) {
	v.Helper()
	r := runtime.NewRouter()
	if ring != nil {
		r.Use(ring.Handle)
	}
	runtime.Register(r, charges(), func(_ context.Context, c charge) error {
		cards = append(cards, c.Card)
		return nil
	})
	pool, err := runtime.NewPool(v.m, r, runtime.PoolConfig{Workers: 1})
	require.NoError(v, err)
	_, err = pool.Drain(v.Context())
	require.NoError(v, err)
	return cards
}

func TestJobsLieSealedAndFireWhole(t *testing.T) {
	ring := newRing(t, encrypt.RequireAll())
	v := newVault(t, memory.NewJobs(), ring)
	id, err := schedule.Add(t.Context(), v, schedule.In(time.Nanosecond), charges(), &charge{"hunter1"})
	require.NoError(t, err)
	assert.Contains(t, v.lies(id), "aes-gcm ")
	assert.NotContains(t, v.lies(id), "hunter1")
	require.NoError(t, schedule.ModifyPayload(t.Context(), v, id, charges(), &charge{"hunter2"}))
	assert.NotContains(t, v.lies(id), "hunter2")

	st, err := v.Status(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, `{"card":"hunter2"}`, string(st.Task.Payload), "whoever has the ring can read it")
	page, _, err := v.List(t.Context(), schedule.Filter{}, "", 9)
	require.NoError(t, err)
	assert.Equal(t, st, page[0])

	n, err := v.FireDue(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	_, err = v.RunNow(t.Context(), id)
	require.NoError(t, err)
	assert.NotContains(t, v.lies(id), "hunter2")
	assert.Equal(t, []string{"hunter2", "hunter2"}, v.charged(ring))
}

func TestDeclaredJobThatIsSealedIsNotDeclaredAnew(t *testing.T) {
	v := newVault(t, memory.NewJobs(), newRing(t))
	declared := []schedule.Declaration{schedule.Recurring(schedule.Every(time.Hour), "", charges())}
	changes, err := schedule.Declare(t.Context(), v, "owner", declared)
	require.NoError(t, err)
	require.Len(t, changes.Added, 1)
	assert.NotContains(t, v.lies(changes.Added[0]), "card")
	changes, err = schedule.Declare(t.Context(), v, "owner", declared)
	require.NoError(t, err)
	assert.True(t, changes.Empty(), changes)
}

func TestJobThatWasStoredInClearFiresAndIsSealedThen(t *testing.T) {
	store := memory.NewJobs()
	id, err := schedule.Add(t.Context(), newVault(t, store, nil), schedule.Every(time.Millisecond), charges(), &charge{"hunter2"})
	require.NoError(t, err)
	ring := newRing(t)
	v := newVault(t, store, ring)
	require.Contains(t, v.lies(id), "hunter2")
	require.Eventually(t, func() bool {
		n, err := v.FireDue(t.Context())
		require.NoError(t, err)
		return n > 0
	}, time.Minute, time.Millisecond)
	assert.NotContains(t, v.lies(id), "hunter2")
	assert.Contains(t, v.charged(ring), "hunter2")
}

func TestStrictRingFiresNoJobThatLiesInClear(t *testing.T) {
	store := memory.NewJobs()
	id, err := schedule.Add(t.Context(), newVault(t, store, nil), schedule.In(time.Nanosecond), charges(), &charge{"hunter2"})
	require.NoError(t, err)
	v := newVault(t, store, newRing(t, encrypt.Require("charge")))
	n, err := v.FireDue(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
	require.NoError(t, v.Pause(t.Context(), id))
	st, err := v.Status(t.Context(), id)
	require.NoError(t, err)
	assert.Contains(t, st.Error, "encrypt: not encrypted")
	assert.Contains(t, v.lies(id), "hunter2", "to be sealed it would pass for one of ours")
	_, err = v.RunNow(t.Context(), id)
	require.ErrorIs(t, err, encrypt.ErrNotEncrypted)

	require.NoError(t, v.Resume(t.Context(), id))
	require.NoError(t, schedule.ModifyPayload(t.Context(), v, id, charges(), &charge{"hunter3"}), "a new payload is ours")
	assert.NotContains(t, v.lies(id), "hunter3")
	n, err = v.FireDue(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestJobThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	store := memory.NewJobs()
	other, err := encrypt.NewKeyRing("other", map[string][]byte{"other": make([]byte, encrypt.KeySize)})
	require.NoError(t, err)
	lost, err := schedule.Add(t.Context(), newVault(t, store, other), schedule.In(time.Nanosecond), charges(), &charge{"lost"})
	require.NoError(t, err)
	ring := newRing(t)
	v := newVault(t, store, ring)
	_, err = schedule.Add(t.Context(), v, schedule.In(time.Nanosecond), charges(), &charge{"good"})
	require.NoError(t, err)
	n, err := v.FireDue(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, []string{"good"}, v.charged(ring))
	page, _, err := v.List(t.Context(), schedule.Filter{}, "", 9)
	require.NoError(t, err)
	require.Len(t, page, 2)
	st, err := v.Status(t.Context(), lost)
	require.NoError(t, err)
	assert.Contains(t, st.Error, `needs the key "other"`)
	assert.Equal(t, "aes-gcm", st.Task.Encoding)
}

func TestSchedulerWithoutTheRingLeavesSealedJobsToOthers(t *testing.T) {
	store, ring := memory.NewJobs(), newRing(t)
	v := newVault(t, store, ring)
	id, err := schedule.Add(t.Context(), v, schedule.Every(time.Millisecond), charges(), &charge{"hunter2"})
	require.NoError(t, err)
	bare := newVault(t, store, nil)
	require.NoError(t, bare.Modify(t.Context(), id, schedule.Change{When: schedule.Every(time.Hour), Missed: schedule.FireAll}))
	_, err = bare.RunNow(t.Context(), id)
	require.ErrorContains(t, err, "the manager has nothing to unseal it with")
	st, err := bare.Status(t.Context(), id)
	require.NoError(t, err)
	assert.Contains(t, st.Error, "the manager has nothing to unseal it with")
	_, err = v.RunNow(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, []string{"hunter2"}, v.charged(ring))
	require.NoError(t, schedule.ModifyPayload(t.Context(), bare, id, charges(), &charge{"in clear"}))
	_, err = bare.RunNow(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, []string{"in clear"}, bare.charged(nil))
	_, err = v.RunNow(t.Context(), id)
	require.NoError(t, err)
	assert.NotContains(t, v.lies(id), "in clear", "it is sealed by who can")
}

func TestTaskThatIsEncryptedForAQueueIsNoJob(t *testing.T) {
	ring := newRing(t)
	v := newVault(t, memory.NewJobs(), ring)
	task, err := runtime.NewTask(charges(), &charge{"hunter2"}, time.Now())
	require.NoError(t, err)
	_, err = v.Schedule(t.Context(), schedule.Job{When: schedule.In(time.Hour), Task: ring.Encrypt(task)})
	require.ErrorIs(t, err, schedule.ErrInvalidJob)
	assert.ErrorContains(t, err, "its firings could not read it")
}

func TestJobsPrintNoPayload(t *testing.T) {
	task, err := runtime.NewTask(charges(), &charge{"hunter2"}, time.Now())
	require.NoError(t, err)
	task.ID = "a"
	job := schedule.Job{ID: "a", When: schedule.In(time.Hour), Task: task}
	entry := schedule.Entry{ID: "a", Body: jobstore.Body{Task: task}}
	for _, v := range []any{
		job, &job, entry, &entry,
		schedule.Status{Job: job},
		&schedule.Status{Job: job},
		[]schedule.Job{job},
		schedule.Change{Task: task},
		&driver.Delivery{Task: task},
		driver.Delivery{Task: task},
		runtime.TaskInfo{Task: task},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			text := fmt.Sprintf(verb, v)
			for _, leak := range []string{"hunter2", "68756e74657232", "104 117 110 116"} {
				assert.NotContains(t, text, leak, "%s of %T", verb, v)
			}
		}
		if _, isList := v.([]schedule.Job); isList {
			v = runtime.Redact(v) // slog's JSON handler asks nobody what is in a list
		}
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		assert.NotContains(t, out.String(), "hunter2", "%T", v)
		assert.NotContains(t, out.String(), "eyJjYXJkIj", "%T in base64", v)
	}
}
