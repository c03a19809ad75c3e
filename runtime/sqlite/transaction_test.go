package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
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

// A caller is an application that enqueues in its own transactions.
type caller interface {
	begin()
	run(query string)
	enqueuer(*Provider) driver.Enqueuer
	commit()
	rollback()
}

type connCaller struct {
	t *testing.T
	c *sqlite.Conn
}

func (c connCaller) begin()                               { c.run("BEGIN IMMEDIATE") }
func (c connCaller) run(query string)                     { run(c.t, c.c, query) }
func (c connCaller) enqueuer(p *Provider) driver.Enqueuer { return p.Tx(c.c) }
func (c connCaller) commit()                              { c.run("COMMIT") }
func (c connCaller) rollback()                            { c.run("ROLLBACK") }

type sqlCaller struct {
	t  *testing.T
	db *sql.DB
	tx *sql.Tx
}

func (c *sqlCaller) begin() {
	tx, err := c.db.Begin()
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = tx.Rollback() }) // where the test did not end it
	c.tx = tx
}

func (c *sqlCaller) run(query string) {
	_, err := c.tx.Exec(query)
	require.NoError(c.t, err)
}

func (c *sqlCaller) enqueuer(p *Provider) driver.Enqueuer { return p.SQLTx(c.tx) }
func (c *sqlCaller) commit()                              { require.NoError(c.t, c.tx.Commit()) }
func (c *sqlCaller) rollback()                            { require.NoError(c.t, c.tx.Rollback()) }

// openSQL opens the file by the driver that this package's engine brings along.
func openSQL(t *testing.T, path, query string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+path+"?"+query)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

const immediate = "_txlock=immediate&_pragma=busy_timeout(10000)"

// inEachForm runs a test with each kind of transaction that this package takes.
func inEachForm(t *testing.T, f func(t *testing.T, of func(t *testing.T, path string) caller)) {
	t.Run("connection", func(t *testing.T) {
		f(t, func(t *testing.T, path string) caller { return connCaller{t, application(t, path)} })
	})
	t.Run("database/sql", func(t *testing.T) {
		f(t, func(t *testing.T, path string) caller {
			db := openSQL(t, path, immediate)
			_, err := db.Exec("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)")
			require.NoError(t, err)
			return &sqlCaller{t: t, db: db}
		})
	})
}

func TestATransactionOfTheCallerEnqueuesWhenItCommits(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		path := newFile(t)
		p, other := openFile(t, path), openFile(t, path)
		q, same := openQueue(t, p, driver.QueueConfig{}), openQueue(t, other, driver.QueueConfig{})
		c := of(t, path)
		got := make(chan []string, 2)
		for _, q := range []*queue{q, same} {
			go func() {
				ds, _ := q.Dequeue(within(t), 1, time.Minute)
				got <- idsOf(ds)
			}()
		}
		require.Eventually(t, func() bool { return p.waitQueues.hasWaiters() && other.waitQueues.hasWaiters() }, soon, time.Millisecond)

		c.begin()
		c.run("INSERT INTO orders VALUES ('o1')")
		answers, err := c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{task("a"), task("b")})
		require.NoError(t, err)
		require.Equal(t, "a", answers[0].ID)
		require.Equal(t, "q", answers[1].Queue)
		require.Equal(t, driver.Stats{}, stats(t, q), "before the commit nobody else sees it")
		c.commit()

		// One each, or both by the first: another provider is as another process.
		require.ElementsMatch(t, []string{"a", "b"}, append(<-got, <-got...), "the waiters are woken")
	})
}

func TestARolledBackTransactionHasEnqueuedNothing(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		path := newFile(t)
		p := openFile(t, path)
		q := openQueue(t, p, driver.QueueConfig{})
		c := of(t, path)
		unique := task("a")
		unique.UniqueKey = "k"
		c.begin()
		_, err := c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{unique})
		require.NoError(t, err)
		c.rollback()
		require.Equal(t, driver.Stats{}, stats(t, q))
		requireEmpty(t, p)
		require.False(t, enqueue(t, q, unique)[0].Duplicate, "the unique key is free")
	})
}

func TestATransactionAnswersDuplicatesAndFullQueues(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		path := newFile(t)
		p := openFile(t, path)
		q := openQueue(t, p, driver.QueueConfig{Capacity: 3})
		c := of(t, path)
		first, second := task("a"), task("b")
		first.UniqueKey, second.UniqueKey = "k", "k"
		enqueue(t, q, first)
		c.begin()
		answers, err := c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{second, task("a"), task("c"), task("d"), task("e")})
		require.Equal(t, driver.Enqueued{ID: "a", Queue: "q", DueAt: answers[0].DueAt, Duplicate: true}, answers[0])
		require.NoError(t, driver.ErrorAt(err, 0))
		require.ErrorIs(t, driver.ErrorAt(err, 1), driver.ErrDuplicate)
		require.NoError(t, driver.ErrorAt(err, 2))
		require.NoError(t, driver.ErrorAt(err, 3))
		require.ErrorIs(t, driver.ErrorAt(err, 4), driver.ErrQueueFull)
		c.commit()
		require.Equal(t, []string{"a", "c", "d"}, idsOf(take(t, q, 9)))
		requireConsistent(t, p)
	})
}

// TestATransactionEnqueuesAsAQueueDoes puts the same tasks on two queues of each type,
// while leases end and delays run out, and compares what is handed out.
func TestATransactionEnqueuesAsAQueueDoes(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
			t.Run(string(kind), func(t *testing.T) {
				path, clock := newFile(t), tasktest.NewClock(time.Now())
				p := openFile(t, path, WithClock(clock))
				cfg := driver.QueueConfig{Name: "plain", Type: kind, Levels: 3}
				if kind != driver.Priority {
					cfg.Levels = 0
				}
				plain := openQueue(t, p, cfg)
				cfg.Name = "within"
				inner := openQueue(t, p, cfg)
				c := of(t, path)
				batch := func(prefix string) []*driver.Task {
					all := make([]*driver.Task, 12)
					for i := range all {
						all[i] = task(fmt.Sprintf("%s%02d", prefix, i))
						all[i].UniqueKey = fmt.Sprint("key ", i%10)
						if i > 5 {
							all[i].UniqueFor = time.Second
						}
						if i%4 == 3 {
							all[i].ScheduledFor = clock.Now().Add(time.Minute)
						}
						switch kind {
						case driver.FIFO:
							all[i].GroupKey = fmt.Sprint("group ", i%3)
						case driver.Priority:
							all[i].Priority = i % 3
						}
					}
					return all
				}
				var log [2][]string
				both := func(prefix string) {
					answers := [2][]driver.Enqueued{enqueue(t, plain, batch(prefix)...)}
					moved := batch(prefix)
					for _, m := range moved {
						m.Queue = "within"
					}
					c.begin()
					var err error
					answers[1], err = c.enqueuer(p).Enqueue(context.Background(), moved)
					require.NoError(t, err)
					c.commit()
					for i := range answers {
						for _, a := range answers[i] {
							log[i] = append(log[i], fmt.Sprint(a.ID, a.Duplicate, a.DueAt.UnixNano()))
						}
					}
				}
				look := func(done bool) {
					for i, q := range []*queue{plain, inner} {
						ds := take(t, q, 4)
						log[i] = append(log[i], idsOf(ds)...)
						log[i] = append(log[i], fmt.Sprintf("%+v", stats(t, q)))
						if done {
							require.NoError(t, q.Complete(context.Background(), ds))
						}
					}
				}
				both("a")
				look(false)
				clock.Advance(61 * time.Second) // the leases of look end, and the delays
				both("b")
				look(false)
				clock.Advance(2 * time.Minute)
				both("c")
				for range 20 {
					look(true)
				}
				require.Equal(t, log[0], log[1])
				require.Contains(t, log[1], "b06")
				requireConsistent(t, p)
			})
		}
	})
}

func TestATransactionComposesWithTheManager(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		path := newFile(t)
		p := openFile(t, path)
		m := runtime.NewManager(runtime.ManagerConfig{})
		require.NoError(t, m.Open(context.Background(), p, driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "r"}))
		c := of(t, path)
		c.begin()
		answers, err := m.Through(c.enqueuer(p)).Enqueue(context.Background(), []*driver.Task{
			{Type: "t", Queue: "q", Payload: []byte("1")}, {Type: "", Queue: "q"}, {Type: "t", Queue: "r", Payload: []byte("2")},
		})
		require.NotEmpty(t, answers[0].ID, "the manager makes the ID")
		require.ErrorIs(t, driver.ErrorAt(err, 1), driver.ErrInvalidTask)
		require.Equal(t, "r", answers[2].Queue)
		c.commit()
		for _, name := range m.Queues() {
			q, err := m.Queue(name)
			require.NoError(t, err)
			require.Equal(t, int64(1), stats(t, q.(*queue)).Ready, name)
		}
	})
}

func TestATransactionThatCannotBeIsRefused(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		path := newFile(t)
		p := openFile(t, path)
		openQueue(t, p, driver.QueueConfig{})
		one := []*driver.Task{task("a")}
		c := of(t, path)
		c.begin()
		unknown := task("b")
		unknown.Queue = "elsewhere"
		_, err := c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{unknown})
		require.ErrorIs(t, err, driver.ErrUnknownQueue)
		_, err = c.enqueuer(p).Enqueue(ended(), one)
		require.ErrorIs(t, err, context.Canceled)
		c.rollback()
		_, err = c.enqueuer(p).Enqueue(context.Background(), one)
		require.ErrorContains(t, err, "transaction", "it is over")

		alien := newFile(t)
		openFile(t, alien)
		copied := newFile(t)
		run(t, application(t, path), "VACUUM INTO '"+copied+"'")
		for name, path := range map[string]string{
			"a file of the application": newFile(t), "another provider's file": alien, "a copy of the file": copied,
		} {
			c := of(t, path)
			c.begin()
			_, err = c.enqueuer(p).Enqueue(context.Background(), one)
			require.ErrorContains(t, err, "not to the provider's file", name)
			c.run("INSERT INTO orders VALUES ('o1')") // the transaction goes on
			c.rollback()
		}
	})
}

func TestAFailedCallLeavesTheTransactionAsItWas(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		path := newFile(t)
		p := openFile(t, path)
		q := openQueue(t, p, driver.QueueConfig{})
		c := of(t, path)
		c.begin()
		// The second task cannot be written.
		c.run("CREATE TRIGGER broken BEFORE INSERT ON taskgen_job WHEN new.id = 'b' BEGIN SELECT raise(ABORT, 'not this one'); END")
		c.run("INSERT INTO orders VALUES ('o1')")
		_, err := c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{task("a"), task("b")})
		require.ErrorContains(t, err, "not this one")
		_, err = c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{task("c")})
		require.NoError(t, err)
		c.run("DROP TRIGGER broken")
		c.commit()
		orders, err := sqlitex.ResultInt64(application(t, path).Prep("SELECT count(*) FROM orders"))
		require.NoError(t, err)
		require.Equal(t, int64(1), orders)
		require.Equal(t, []string{"c"}, idsOf(take(t, q, 9)))
		requireConsistent(t, p)
	})
}

func TestATransactionIsToldThatTheFileIsFullOrGone(t *testing.T) {
	inEachForm(t, func(t *testing.T, of func(*testing.T, string) caller) {
		path := newFile(t)
		p := openFile(t, path)
		q := openQueue(t, p, driver.QueueConfig{})
		c := of(t, path)
		large := task("large")
		large.Payload = fmt.Appendf(nil, `"%0*d"`, 1_000_000, 0)
		c.begin()
		c.run("PRAGMA max_page_count = 1") // as small as the file is
		_, err := c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{large})
		require.ErrorIs(t, err, driver.ErrQueueFull)
		_, err = c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{task("a")})
		require.ErrorContains(t, err, "no transaction is open", "SQLite has rolled it back")

		c = of(t, path)
		c.begin()
		require.NoError(t, os.Rename(path, path+".away"))
		_, err = c.enqueuer(p).Enqueue(context.Background(), []*driver.Task{task("a")})
		require.ErrorIs(t, err, ErrFileGone)
		require.NoError(t, os.Rename(path+".away", path))
		c.rollback()
		require.Equal(t, driver.Stats{}, stats(t, q))
	})
}

// TestATransactionThatWaitsForNobodyIsToldWhy uses connections as database/sql opens
// them where nothing else is said.
func TestATransactionThatWaitsForNobodyIsToldWhy(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	db := openSQL(t, path, "")
	enqueued := func(tx *sql.Tx, id string) error {
		_, err := p.SQLTx(tx).Enqueue(context.Background(), []*driver.Task{task(id)})
		return err
	}
	begin := func() *sql.Tx {
		tx, err := db.Begin()
		require.NoError(t, err)
		return tx
	}
	tx := begin()
	release := hold(t, p)
	err := enqueued(tx, "a")
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorContains(t, err, "busy timeout")
	release()
	require.NoError(t, enqueued(tx, "a"))
	require.NoError(t, tx.Commit())

	tx = begin()
	var n int
	require.NoError(t, tx.QueryRow("SELECT count(*) FROM taskgen_job").Scan(&n))
	enqueue(t, q, task("b"))
	require.ErrorIs(t, enqueued(tx, "c"), ErrBusy, "it has read what is old by now")
	require.NoError(t, tx.Rollback())
	require.Equal(t, []string{"a", "b"}, idsOf(take(t, q, 9)))
}

// TestATransactionMayHaveTheFileAttached has a database of its own beside it.
func TestATransactionMayHaveTheFileAttached(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	db := openSQL(t, newFile(t), immediate)
	db.SetMaxOpenConns(1)
	_, err := db.Exec("ATTACH ? AS tasks", path)
	require.NoError(t, err)
	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = p.SQLTx(tx).Enqueue(context.Background(), []*driver.Task{task("a")})
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.Equal(t, []string{"a"}, idsOf(take(t, q, 9)))
}

func TestTheApplicationsFileKeepsItsOwnMarks(t *testing.T) {
	path := newFile(t)
	c := application(t, path)
	run(t, c, "PRAGMA user_version = 42")
	run(t, c, "PRAGMA application_id = 77")
	run(t, c, "INSERT INTO orders VALUES ('o1')")
	p := openFile(t, path)
	enqueue(t, openQueue(t, p, driver.QueueConfig{}), task("a"))
	for pragma, want := range map[string]int64{"user_version": 42, "application_id": 77} {
		got, err := p.reader.c.number("PRAGMA " + pragma)
		require.NoError(t, err)
		require.Equal(t, want, got, pragma)
	}
}
