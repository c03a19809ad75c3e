package sqlite

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// ErrNewerFile: the file was written by a later version of this package.
var ErrNewerFile = errors.New("taskgen: the SQLite file has a newer schema")

// migrations take a file from each version of the schema to the next: the first one
// creates version 1. A released migration never changes.
//
// Every table has the prefix taskgen_, because the file may belong to the application.
// Times are Unix nanoseconds. The content of a task and the columns that change while it
// waits are in separate tables: a move between states rewrites a few integers and not the
// envelope.
var migrations = [...]string{
	`
CREATE TABLE taskgen_queue (
	id        INTEGER PRIMARY KEY,
	name      TEXT NOT NULL UNIQUE,
	type      TEXT NOT NULL,              -- standard, fifo, priority
	dlq       INTEGER NOT NULL DEFAULT 0, -- the queue that its dead tasks are on
	is_dlq    INTEGER NOT NULL DEFAULT 0, -- some queue names it as its dlq
	paused    INTEGER NOT NULL DEFAULT 0,
	ready     INTEGER NOT NULL DEFAULT 0, -- counters, kept in the transaction that moves the tasks
	scheduled INTEGER NOT NULL DEFAULT 0,
	leased    INTEGER NOT NULL DEFAULT 0,
	dead      INTEGER NOT NULL DEFAULT 0,
	last      INTEGER NOT NULL DEFAULT 0  -- the newest place, turn and fencing token: it only grows
) STRICT;

CREATE TABLE taskgen_job (
	seq      INTEGER PRIMARY KEY,
	queue    INTEGER NOT NULL,
	id       TEXT NOT NULL,
	copy     INTEGER NOT NULL,            -- 0, or what tells dead tasks of one id apart
	level    INTEGER NOT NULL,
	place    INTEGER NOT NULL,            -- in the line of its queue; 0 until it was due
	due      INTEGER NOT NULL,
	begun    INTEGER NOT NULL DEFAULT 0,  -- was handed out before: it keeps its place at the head of its group
	crashes  INTEGER NOT NULL DEFAULT 0,
	origin   INTEGER NOT NULL DEFAULT 0,  -- the queue it died on
	grp      TEXT NOT NULL DEFAULT '',
	ukey     TEXT,                        -- the unique key it gives back when it is done
	envelope BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX taskgen_job_id ON taskgen_job (queue, id, copy);
CREATE INDEX taskgen_job_dead ON taskgen_job (origin) WHERE origin > 0;
CREATE INDEX taskgen_job_dead_id ON taskgen_job (origin, id) WHERE origin > 0;

-- Due tasks of standard and priority queues, in the order they are handed out.
CREATE TABLE taskgen_ready (
	queue INTEGER NOT NULL,
	level INTEGER NOT NULL,
	place INTEGER NOT NULL,
	seq   INTEGER NOT NULL,
	PRIMARY KEY (queue, level DESC, place)
) STRICT, WITHOUT ROWID;

-- Due tasks of fifo queues, in the order of their group.
CREATE TABLE taskgen_line (
	queue INTEGER NOT NULL,
	grp   TEXT NOT NULL,
	place INTEGER NOT NULL,
	seq   INTEGER NOT NULL,
	due   INTEGER NOT NULL,
	PRIMARY KEY (queue, grp, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX taskgen_line_due ON taskgen_line (queue, due);

-- The groups that have tasks. turn orders those whose head may be handed out;
-- it is 0 while the head is leased or waits for its delay.
CREATE TABLE taskgen_group (
	queue INTEGER NOT NULL,
	grp   TEXT NOT NULL,
	turn  INTEGER NOT NULL,
	PRIMARY KEY (queue, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX taskgen_group_turn ON taskgen_group (queue, turn) WHERE turn > 0;

CREATE TABLE taskgen_delayed (
	queue INTEGER NOT NULL,
	due   INTEGER NOT NULL,
	seq   INTEGER NOT NULL,
	PRIMARY KEY (queue, due, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE taskgen_lease (
	seq   INTEGER PRIMARY KEY,
	queue INTEGER NOT NULL,
	token INTEGER NOT NULL,
	until INTEGER NOT NULL
) STRICT;
CREATE INDEX taskgen_lease_until ON taskgen_lease (queue, until);

-- Unique keys that are taken. until is 0 for those held until the task is done.
CREATE TABLE taskgen_unique (
	queue INTEGER NOT NULL,
	key   TEXT NOT NULL,
	id    TEXT NOT NULL,
	due   INTEGER NOT NULL,
	until INTEGER NOT NULL,
	PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX taskgen_unique_until ON taskgen_unique (until) WHERE until > 0;

-- n grows with each result, so that a waiting process finds the new ones.
CREATE TABLE taskgen_result (
	n       INTEGER PRIMARY KEY AUTOINCREMENT,
	id      TEXT NOT NULL UNIQUE,
	data    BLOB NOT NULL,
	failure TEXT NOT NULL,
	until   INTEGER NOT NULL
) STRICT;
CREATE INDEX taskgen_result_until ON taskgen_result (until);
`,
	`
-- The jobs of schedulers. alarm is when one is to be looked at: when it is due,
-- when the lease on it ends, or when it is forgotten; 0: never.
CREATE TABLE taskgen_schedule (
	n         INTEGER PRIMARY KEY,
	id        TEXT NOT NULL UNIQUE,
	owner     TEXT NOT NULL,
	version   INTEGER NOT NULL,
	wake      INTEGER NOT NULL,
	forget    INTEGER NOT NULL,
	alarm     INTEGER NOT NULL,
	body      BLOB NOT NULL,
	noted_due INTEGER NOT NULL DEFAULT 0, -- the firing that a worker has told of
	noted     BLOB NOT NULL DEFAULT x''   -- what it told
) STRICT;
CREATE INDEX taskgen_schedule_alarm ON taskgen_schedule (alarm) WHERE alarm > 0;
CREATE INDEX taskgen_schedule_owner ON taskgen_schedule (owner, id);
`,
	`
-- Dead tasks that were taken off their dead letter queue. n grows with each put.
CREATE TABLE taskgen_letter (
	n    INTEGER PRIMARY KEY AUTOINCREMENT,
	id   TEXT NOT NULL UNIQUE,
	body BLOB NOT NULL
) STRICT;
`,
}

// additions are made whenever a file is opened. A build ignores additions that it does
// not know, so that they need no new version of the schema: old and new builds work on
// one file.
const additions = `
-- Leases that ended with nothing said, each counted as a crash, for workers that
-- say yet that it was none.
CREATE TABLE IF NOT EXISTS taskgen_ended (
	seq   INTEGER NOT NULL,
	token INTEGER NOT NULL,
	at    INTEGER NOT NULL,
	PRIMARY KEY (seq, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS taskgen_ended_at ON taskgen_ended (at);

-- The queues that name a dead letter queue.
CREATE INDEX IF NOT EXISTS taskgen_queue_dlq ON taskgen_queue (dlq) WHERE dlq > 0;

-- Space that is kept for work on a full disk.
CREATE TABLE IF NOT EXISTS taskgen_reserve (
	id    INTEGER PRIMARY KEY,
	space BLOB NOT NULL
) STRICT;

-- Workers: what each said at its last heartbeat.
CREATE TABLE IF NOT EXISTS taskgen_worker (
	id    TEXT PRIMARY KEY,
	at    INTEGER NOT NULL, -- of the heartbeat
	until INTEGER NOT NULL, -- the worker is gone then
	body  BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS taskgen_worker_until ON taskgen_worker (until);

-- Orders to workers. n grows with each.
CREATE TABLE IF NOT EXISTS taskgen_order (
	n      INTEGER PRIMARY KEY AUTOINCREMENT,
	worker TEXT NOT NULL,
	until  INTEGER NOT NULL,
	body   BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS taskgen_order_worker ON taskgen_order (worker);
CREATE INDEX IF NOT EXISTS taskgen_order_until ON taskgen_order (until);

-- Descriptions of the types of tasks. n grows with each put.
CREATE TABLE IF NOT EXISTS taskgen_type (
	n     INTEGER PRIMARY KEY AUTOINCREMENT,
	sum   TEXT NOT NULL UNIQUE, -- of the body
	until INTEGER NOT NULL,
	body  BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS taskgen_type_until ON taskgen_type (until);

-- What became of tasks, some hundreds in a row.
CREATE TABLE IF NOT EXISTS taskgen_history (
	n     INTEGER PRIMARY KEY AUTOINCREMENT,
	begun INTEGER NOT NULL, -- when its first records were added
	until INTEGER NOT NULL,
	size  INTEGER NOT NULL,
	total INTEGER NOT NULL, -- the sizes of this row and of all that were before it
	marks BLOB NOT NULL,    -- the index of its records
	body  BLOB NOT NULL
) STRICT;
`

// additionalColumns are added to tables in the same way: SQLite has no ADD COLUMN IF NOT
// EXISTS.
var additionalColumns = [...]struct{ table, column, add string }{
	// What a scheduler must have to fire the job; empty if written by a build that does
	// not know the column.
	{"taskgen_schedule", "needs", `
ALTER TABLE taskgen_schedule ADD COLUMN needs TEXT NOT NULL DEFAULT '';
CREATE INDEX taskgen_schedule_needs ON taskgen_schedule (needs, alarm) WHERE alarm > 0;
`},
}

const (
	// The version and the identity of the file are in a table and not in user_version and
	// application_id, which belong to an application that shares the file.
	sqlMetaCreate = `CREATE TABLE IF NOT EXISTS taskgen_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`
	sqlMetaGet    = `SELECT value FROM taskgen_meta WHERE key = ?`
	sqlMetaSet    = `INSERT INTO taskgen_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`
)

// The keys of taskgen_meta.
const (
	metaVersion = "schema"
	metaFile    = "file" // a random name that identifies this file
)

// migrate brings the file to the newest schema, in one transaction, and
// returns the file's identity.
func migrate(c *conn) (file string, err error) {
	if err := c.begin(); err != nil {
		return "", err
	}
	defer c.rollback()
	if err := sqlitex.ExecuteTransient(c.Conn, sqlMetaCreate, nil); err != nil {
		return "", err
	}
	version, err := fileVersion(c.Conn)
	if err != nil {
		return "", err
	}
	if version == 0 {
		if err := setMeta(c.Conn, metaFile, uuid.NewString()); err != nil {
			return "", err
		}
	}
	for v := version; v < len(migrations); v++ {
		if err := sqlitex.ExecScript(c.Conn, migrations[v]); err != nil {
			return "", fmt.Errorf("upgrade the schema from version %d to %d: %w", v, v+1, err)
		}
		if err := setMeta(c.Conn, metaVersion, fmt.Sprint(v+1)); err != nil {
			return "", err
		}
	}
	if err := sqlitex.ExecScript(c.Conn, additions); err != nil {
		return "", err
	}
	if err := addColumns(c.Conn); err != nil {
		return "", err
	}
	if file, err = getMeta(c.Conn, metaFile); err != nil {
		return "", err
	}
	if version == 0 {
		return file, c.reserve()
	}
	return file, c.commit()
}

// hasColumn reads the columns of a table, which are few.
const hasColumn = `SELECT 1 FROM pragma_table_info(?) WHERE name = ?`

func addColumns(c *sqlite.Conn) error {
	for _, a := range additionalColumns {
		there := false
		err := sqlitex.ExecuteTransient(c, hasColumn, &sqlitex.ExecOptions{
			Args:       []any{a.table, a.column},
			ResultFunc: func(*sqlite.Stmt) error { there = true; return nil },
		})
		if err == nil && !there {
			err = sqlitex.ExecScript(c, a.add)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fileVersion reads the version of the file's schema, 0 for a new one.
func fileVersion(c *sqlite.Conn) (int, error) {
	text, err := getMeta(c, metaVersion)
	if err != nil || text == "" {
		return 0, err
	}
	var version int
	if _, err := fmt.Sscan(text, &version); err != nil {
		return 0, fmt.Errorf("the schema version %q of the file is not a number: %w", text, err)
	}
	if version > len(migrations) {
		return 0, fmt.Errorf("%w: version %d, and this build knows up to %d: upgrade taskgen in this program", ErrNewerFile, version, len(migrations))
	}
	return version, nil
}

func getMeta(c *sqlite.Conn, key string) (value string, err error) {
	err = sqlitex.Execute(c, sqlMetaGet, &sqlitex.ExecOptions{
		Args:       []any{key},
		ResultFunc: func(s *sqlite.Stmt) error { value = s.ColumnText(0); return nil },
	})
	return value, err
}

func setMeta(c *sqlite.Conn, key, value string) error {
	return sqlitex.Execute(c, sqlMetaSet, &sqlitex.ExecOptions{Args: []any{key, value}})
}
