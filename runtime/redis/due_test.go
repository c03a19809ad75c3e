package redis

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// overdue fills a fifo queue with 3,000 tasks that have become due one after the
// other, and are not in line yet. All are of the group "g" but the last, which is
// of "h".
func overdue(t *testing.T, q *queue) {
	t.Helper()
	late, hour := tasks(overdueTasks), time.Now().Add(time.Hour)
	for i := range late {
		late[i].GroupKey, late[i].ScheduledFor = "g", hour.Add(time.Duration(i)*time.Millisecond)
	}
	late[overdueTasks-1].GroupKey = "h"
	enqueue(t, q, late...)
	const hoursPass = `for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZINCRBY', KEYS[1], -7200000, id) end`
	err := q.p.client.Eval(within(t), hoursPass, []string{q.keyspace.key(keyDue)}).Err()
	require.ErrorIs(t, err, goredis.Nil) // it returns nothing
}

const overdueTasks = 3000

func waiting(t *testing.T, q *queue) int {
	t.Helper()
	n, err := q.p.client.ZCard(within(t), q.keyspace.key(keyDue)).Result()
	require.NoError(t, err)
	return int(n)
}

func TestNoScriptPutsMoreThanAFewTasksInLine(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{Type: driver.FIFO})
	overdue(t, q)
	fresh := task("fresh")
	fresh.GroupKey = "g"
	var failed driver.BatchError
	part, _ := q.encode([]*driver.Task{fresh}, 0, time.Now(), &failed)
	for name, c := range map[string]*call{
		"enqueue": q.keyspace.enqueue(part, 0),
		"browse":  q.keyspace.newCall(opBrowse, 5).add(string(driver.Ready), "0", "", 10, maxScriptBytes),
	} {
		before := waiting(t, q)
		require.NotZero(t, before, "so that there is something to do for %s", name)
		c.withSource() // the server may not have the script
		err := p.client.Process(within(t), c.command(t.Context()))
		assert.True(t, moreDue(err), "%s: %v", name, err)
		assert.Equal(t, before-4*256, waiting(t, q), name)
	}
	_, err := q.Dequeue(within(t), 1, time.Minute)
	require.NoError(t, err)
	assert.NotZero(t, waiting(t, q), "dequeue")
}

func TestAFreshTaskOfAGroupGoesBehindAllThatAreDue(t *testing.T) {
	q := openQueue(t, open(t, sharedURL(t)), driver.QueueConfig{Type: driver.FIFO})
	overdue(t, q)
	const fresh = 600 // in more than one script
	more := tasks(overdueTasks + fresh)[overdueTasks:]
	for i := range more {
		more[i].GroupKey = "g"
	}
	enqueue(t, q, more...)
	last := ""
	for range overdueTasks - 1 + fresh {
		ds := take(t, q, 1)
		if ds[0].Task.GroupKey == "h" {
			ds = take(t, q, 1)
		}
		require.Less(t, last, ds[0].Task.ID)
		last = ds[0].Task.ID
		require.NoError(t, q.Complete(within(t), ds))
	}
}

func TestAListingShowsAllThatAreDue(t *testing.T) {
	q := openQueue(t, open(t, sharedURL(t)), driver.QueueConfig{Type: driver.FIFO})
	overdue(t, q)
	found, _, err := q.Browse(within(t), driver.Ready, "", 2*overdueTasks)
	require.NoError(t, err)
	assert.Len(t, found, overdueTasks)
}

func TestALongGroupThatIsBusyHidesNoOtherThatIsDueAfterIt(t *testing.T) {
	q := openQueue(t, open(t, sharedURL(t)), driver.QueueConfig{Type: driver.FIFO})
	overdue(t, q)
	head := take(t, q, 1)
	require.Equal(t, "g", head[0].Task.GroupKey)
	assert.Equal(t, "h", take(t, q, 1)[0].Task.GroupKey)
}
