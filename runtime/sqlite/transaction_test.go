package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime"
)

// application opens a connection of the application's own to the file, with a
// table of its own.
func application(t *testing.T, path string) *sqlite.Conn {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, sqlitex.ExecuteScript(c, "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)", nil))
	return c
}

func run(t *testing.T, c *sqlite.Conn, query string) {
	require.NoError(t, sqlitex.ExecuteTransient(c, query, nil))
}

func TestATransactionOfTheCallerEnqueuesWhenItCommits(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, runtime.QueueConfig{})
	c := application(t, path)
	got := make(chan []*runtime.Delivery, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 5, time.Minute)
		got <- ds
	}()
	require.Eventually(t, p.lobby.occupied, soon, time.Millisecond)

	run(t, c, "BEGIN IMMEDIATE")
	run(t, c, "INSERT INTO orders VALUES ('o1')")
	answers, err := p.Tx(c).Enqueue(context.Background(), []*runtime.Task{task("a"), task("b")})
	require.NoError(t, err)
	require.Equal(t, "a", answers[0].ID)
	require.Equal(t, "q", answers[1].Queue)
	require.Equal(t, runtime.Stats{}, stats(t, q), "before the commit nobody else sees it")
	run(t, c, "COMMIT")

	require.Equal(t, []string{"a", "b"}, idsOf(<-got), "the waiting consumer is woken")
}

func TestARolledBackTransactionHasEnqueuedNothing(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, runtime.QueueConfig{})
	c := application(t, path)
	unique := task("a")
	unique.UniqueKey = "k"
	run(t, c, "BEGIN IMMEDIATE")
	_, err := p.Tx(c).Enqueue(context.Background(), []*runtime.Task{unique})
	require.NoError(t, err)
	run(t, c, "ROLLBACK")
	require.Equal(t, runtime.Stats{}, stats(t, q))
	requireEmpty(t, p)
	require.False(t, enqueue(t, q, unique)[0].Duplicate, "the unique key is free")
}

func TestATransactionAnswersDuplicatesAndFullQueues(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, runtime.QueueConfig{Capacity: 3})
	c := application(t, path)
	first, second := task("a"), task("b")
	first.UniqueKey, second.UniqueKey = "k", "k"
	enqueue(t, q, first)
	run(t, c, "BEGIN IMMEDIATE")
	answers, err := p.Tx(c).Enqueue(context.Background(), []*runtime.Task{second, task("a"), task("c"), task("d"), task("e")})
	require.Equal(t, runtime.Enqueued{ID: "a", Queue: "q", DueAt: answers[0].DueAt, Duplicate: true}, answers[0])
	require.NoError(t, runtime.ErrorAt(err, 0))
	require.ErrorIs(t, runtime.ErrorAt(err, 1), runtime.ErrDuplicate)
	require.NoError(t, runtime.ErrorAt(err, 2))
	require.NoError(t, runtime.ErrorAt(err, 3))
	require.ErrorIs(t, runtime.ErrorAt(err, 4), runtime.ErrQueueFull)
	run(t, c, "COMMIT")
	require.Equal(t, []string{"a", "c", "d"}, idsOf(take(t, q, 9)))
	requireConsistent(t, p)
}

func TestATransactionComposesWithTheManager(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(context.Background(), p, runtime.QueueConfig{Name: "q"}, runtime.QueueConfig{Name: "r"}))
	c := application(t, path)
	run(t, c, "BEGIN IMMEDIATE")
	answers, err := m.Through(p.Tx(c)).Enqueue(context.Background(), []*runtime.Task{
		{Type: "t", Queue: "q", Payload: []byte("1")}, {Type: "", Queue: "q"}, {Type: "t", Queue: "r", Payload: []byte("2")},
	})
	require.NotEmpty(t, answers[0].ID, "the manager makes the ID")
	require.ErrorIs(t, runtime.ErrorAt(err, 1), runtime.ErrInvalidTask)
	require.Equal(t, "r", answers[2].Queue)
	run(t, c, "COMMIT")
	for _, name := range m.Queues() {
		q, err := m.Queue(name)
		require.NoError(t, err)
		require.Equal(t, int64(1), stats(t, q.(*Queue)).Ready, name)
	}
}

func TestATransactionThatCannotBeIsRefused(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	openQueue(t, p, runtime.QueueConfig{})
	one := []*runtime.Task{task("a")}
	c := application(t, path)
	_, err := p.Tx(c).Enqueue(context.Background(), one)
	require.ErrorContains(t, err, "no transaction is open")

	run(t, c, "BEGIN IMMEDIATE")
	unknown := task("b")
	unknown.Queue = "elsewhere"
	_, err = p.Tx(c).Enqueue(context.Background(), []*runtime.Task{unknown})
	require.ErrorIs(t, err, runtime.ErrUnknownQueue)
	_, err = p.Tx(c).Enqueue(ended(), one)
	require.ErrorIs(t, err, context.Canceled)
	run(t, c, "ROLLBACK")

	for name, other := range map[string]*sqlite.Conn{
		"a file of the application": application(t, newFile(t)),
		"another provider's file": func() *sqlite.Conn {
			path := newFile(t)
			openFile(t, path)
			return application(t, path)
		}(),
	} {
		run(t, other, "BEGIN IMMEDIATE")
		_, err = p.Tx(other).Enqueue(context.Background(), one)
		require.ErrorContains(t, err, "not to the provider's file", name)
		run(t, other, "ROLLBACK")
	}
}

func TestAFailedCallLeavesTheTransactionAsItWas(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, runtime.QueueConfig{})
	c := application(t, path)
	// The second task cannot be written.
	run(t, c, "CREATE TEMP TRIGGER no BEFORE INSERT ON taskgen_job WHEN new.id = 'b' BEGIN SELECT raise(ABORT, 'not this one'); END")
	run(t, c, "BEGIN IMMEDIATE")
	run(t, c, "INSERT INTO orders VALUES ('o1')")
	_, err := p.Tx(c).Enqueue(context.Background(), []*runtime.Task{task("a"), task("b")})
	require.ErrorContains(t, err, "not this one")
	_, err = p.Tx(c).Enqueue(context.Background(), []*runtime.Task{task("c")})
	require.NoError(t, err)
	run(t, c, "COMMIT")
	orders, err := sqlitex.ResultInt64(c.Prep("SELECT count(*) FROM orders"))
	require.NoError(t, err)
	require.Equal(t, int64(1), orders)
	require.Equal(t, []string{"c"}, idsOf(take(t, q, 9)))
	requireConsistent(t, p)
}

func TestTheApplicationsFileKeepsItsOwnMarks(t *testing.T) {
	path := newFile(t)
	c := application(t, path)
	run(t, c, "PRAGMA user_version = 42")
	run(t, c, "PRAGMA application_id = 77")
	run(t, c, "INSERT INTO orders VALUES ('o1')")
	p := openFile(t, path)
	enqueue(t, openQueue(t, p, runtime.QueueConfig{}), task("a"))
	for pragma, want := range map[string]int64{"user_version": 42, "application_id": 77} {
		got, err := p.reader.c.number("PRAGMA " + pragma)
		require.NoError(t, err)
		require.Equal(t, want, got, pragma)
	}
}
