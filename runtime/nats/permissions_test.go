package nats

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// readmeUsers are the users of the configuration in the README.
func readmeUsers(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "### Permissions")
	require.True(t, ok)
	_, block, ok := strings.Cut(section, "```conf\nauthorization {\n")
	require.True(t, ok)
	block, _, ok = strings.Cut(block, "\n}\n```")
	require.True(t, ok)
	return block
}

// as is the URL of a server for the user of the README.
func as(url string) string {
	return strings.Replace(url, "nats://", "nats://mailer:secret@", 1)
}

func TestAUserWithThePermissionsOfTheREADMEWorks(t *testing.T) {
	t.Parallel()
	s := own(t, "}\nauthorization {\n"+readmeUsers(t))
	p := open(t, as(s.URL))
	q := openQueue(t, p, driver.QueueConfig{Name: "mail"})
	fifo := openQueue(t, p, driver.QueueConfig{Name: "ledger", Type: driver.FIFO})
	for _, q := range []*queue{q, fifo} {
		put(t, q, newTask(q, "a"), newTask(q, "b", func(t *driver.Task) { t.UniqueKey, t.UniqueFor = "k", time.Hour }),
			newTask(q, "c", func(t *driver.Task) { t.ScheduledFor = time.Now().Add(time.Hour) }))
		ds := take(t, q, 1, time.Minute)
		require.NoError(t, q.Extend(within(t), ds, time.Minute))
		require.NoError(t, q.Release(within(t), ds))
		ds = take(t, q, 1, time.Minute)
		driver.RecordDeath(ds[0].Task, q.cfg.Name, time.Now(), assert.AnError)
		require.NoError(t, q.DeadLetter(within(t), ds))
		ds = take(t, q, 1, time.Minute)
		require.NoError(t, q.Complete(within(t), ds))
		counts(t, q, driver.Stats{Scheduled: 1, Dead: 1})
		_, _, err := q.Browse(within(t), driver.Dead, "", 10)
		require.NoError(t, err)
		moved, err := q.Redrive(within(t), nil)
		require.NoError(t, err)
		assert.Len(t, moved, 1)
		require.NoError(t, q.Reschedule(within(t), "c", time.Now().Add(time.Minute)))
		gone, err := q.Cancel(within(t), []string{"c"})
		require.NoError(t, err)
		assert.Len(t, gone, 1)
		require.NoError(t, q.Pause(within(t), time.Time{}))
		require.NoError(t, q.Resume(within(t)))
		_, err = q.removeReappeared(within(t))
		require.NoError(t, err)
		_, err = q.Purge(within(t))
		require.NoError(t, err)
		require.NoError(t, q.handleMisaddressed(within(t)))
	}
	require.NoError(t, p.requester.nc.LastError(), "nothing was refused")
	_, err := p.Open(within(t), driver.QueueConfig{Name: "others"})
	require.ErrorContains(t, err, "Permissions Violation")
}

// TestALesserUserHearsWhatIsMissing takes permissions away one by one.
func TestALesserUserHearsWhatIsMissing(t *testing.T) {
	t.Parallel()
	const promptly = 5 * time.Second // it is told within a second, by a machine that is not busy
	users := readmeUsers(t)
	for _, without := range []string{`"$JS.API.INFO", `, `"$JS.API.STREAM.*.taskgen-mail", `, `"_INBOX.>"`, `"taskgen.mail.>", `} {
		require.Contains(t, users, without)
		s := own(t, "}\nauthorization {\n"+strings.Replace(users, without, strings.Repeat(`"other"`, strings.Count(without, `"_INBOX`)), 1))
		begun := time.Now()
		p, err := Open(within(t), as(s.URL))
		var q driver.Queue
		if err == nil {
			t.Cleanup(func() { require.NoError(t, p.Close()) })
			q, err = p.Open(within(t), driver.QueueConfig{Name: "mail"})
		}
		if err == nil {
			begun = time.Now()
			_, err = q.Enqueue(within(t), []*driver.Task{newTask(q.(*queue), "a")})
			err = driver.ErrorAt(err, 0)
		}
		require.ErrorContains(t, err, "Permissions Violation", "without %s", without)
		assert.Less(t, time.Since(begun), promptly, "without %s", without)
		for _, known := range []error{driver.ErrUnknownQueue, driver.ErrQueueFull, driver.ErrClosed, driver.ErrDuplicate} {
			assert.NotErrorIs(t, err, known)
		}
	}
}
