package redis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/taskstoretest"
)

func TestLettersKeepWhatATaskStorePromises(t *testing.T) {
	taskstoretest.Run(t, func(tb testing.TB) dlq.TaskStore { return open(tb, sharedURL(tb)).Letters() })
}

// workLetters does everything with kept letters that can be done, in batches of more
// than one script, and leaves none.
func workLetters(t *testing.T, p *Provider) {
	ls, ctx := p.Letters(), within(t)
	var (
		tasks []*driver.Task
		ids   []string
	)
	for i := range 2*maxScriptPuts + 1 {
		tasks = append(tasks, task(fmt.Sprintf("letter-%d", i)))
		ids = append(ids, tasks[i].ID)
	}
	require.NoError(t, ls.Put(ctx, tasks))
	_, err := ls.Get(ctx, ids[maxScriptPuts])
	require.NoError(t, err)
	page, next, err := ls.List(ctx, "", len(ids))
	require.NoError(t, err)
	require.Empty(t, next)
	var listed []string
	for _, t := range page {
		listed = append(listed, t.ID)
	}
	require.Equal(t, ids, listed)
	changed := tasks[maxScriptPuts].Clone()
	changed.Metadata = map[string]string{driver.MetaRedriveCount: "1"}
	was := []driver.Death{driver.DeathOf(tasks[maxScriptPuts])}
	swapped, err := ls.Swap(ctx, was, []*driver.Task{changed})
	require.NoError(t, err)
	require.Equal(t, was, swapped)
	swapped, err = ls.Swap(ctx, was, []*driver.Task{nil})
	require.NoError(t, err)
	require.Empty(t, swapped)
	gone, err := ls.Delete(ctx, slices.Concat(ids, []string{"nobody"}))
	require.NoError(t, err)
	require.Equal(t, ids, gone)
}

func TestDeletedLettersLeaveNoKeyBehind(t *testing.T) {
	url := sharedURL(t)
	p, c := open(t, url), admin(t, url)
	keys := func() int {
		all, err := c.Keys(within(t), "{"+p.prefix+"}:letters:*").Result()
		require.NoError(t, err)
		return len(all)
	}
	require.NoError(t, p.Letters().Put(within(t), []*driver.Task{task("a")}))
	require.EqualValues(t, letterKeyCount, keys())
	_, err := p.Letters().Delete(within(t), []string{"a"})
	require.NoError(t, err)
	workLetters(t, p)
	require.Zero(t, keys())
}

// TestLettersArePutBehindTheLastThoughTheClockWentBack has a letter whose place is an
// hour ahead of the server's clock.
func TestLettersArePutBehindTheLastThoughTheClockWentBack(t *testing.T) {
	url := sharedURL(t)
	p := open(t, url)
	ls, ctx := p.Letters(), within(t)
	require.NoError(t, ls.Put(ctx, []*driver.Task{task("a")}))
	require.NoError(t, admin(t, url).ZIncrBy(ctx, ls.keys[letterOrder], float64(time.Hour.Microseconds()), "a").Err())
	require.NoError(t, ls.Put(ctx, []*driver.Task{task("b"), task("c")}))
	var ids []string
	for cursor := ""; ; {
		page, next, err := ls.List(ctx, cursor, 1)
		require.NoError(t, err)
		ids = append(ids, page[0].ID)
		if cursor = next; cursor == "" {
			break
		}
	}
	require.Equal(t, []string{"a", "b", "c"}, ids)
}

func TestLettersOfProvidersWithOnePrefixAreOneStore(t *testing.T) {
	url := sharedURL(t)
	p := open(t, url)
	other, err := New(p.client, WithPrefix(p.prefix))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	apart, err := New(p.client, WithPrefix(p.prefix+"2"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, apart.Close()) })
	require.NoError(t, p.Letters().Put(within(t), []*driver.Task{task("a")}))
	_, err = other.Letters().Get(within(t), "a")
	require.NoError(t, err)
	_, err = apart.Letters().Get(within(t), "a")
	require.ErrorIs(t, err, driver.ErrTaskNotFound)
}
