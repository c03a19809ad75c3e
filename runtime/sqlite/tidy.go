package sqlite

import (
	"math"
	"time"
)

const (
	// Both take expired rows from the head of their index, two rows each.
	sqlUniquePrune = `DELETE FROM taskgen_unique WHERE (queue, key) IN
		(SELECT queue, key FROM taskgen_unique WHERE until > 0 AND until <= ? ORDER BY until LIMIT +?)`
	sqlResultPrune = `DELETE FROM taskgen_result WHERE n IN
		(SELECT n FROM taskgen_result WHERE until <= ? ORDER BY until LIMIT +?)`
	// Two numbers from the file's header.
	sqlFreePages = `PRAGMA freelist_count`
	// Moves pages from the end of the file into free ones and cuts it.
	sqlVacuum = `PRAGMA incremental_vacuum(1024)`
)

const (
	// tidyEvery is how often a writer that has work removes expired rows.
	tidyEvery = int64(time.Second)
	// tidyRows bounds the rows that are removed at once.
	tidyRows = 1000
	// keepPages of free space are not released (16 MB): the next tasks need them.
	keepPages = 4096
)

// tidy removes expired unique keys, results, workers and records, and releases a part of the free pages. It
// runs occasionally after other work, in its own transaction. If it fails it runs again
// later: nobody waits for it.
func (w *writer) tidy() {
	now := w.clock.Now().UnixNano()
	if now < w.nextTidy {
		return
	}
	w.nextTidy = now + tidyEvery
	if w.begin() != nil {
		return
	}
	defer w.c.rollback()
	t := &tx{c: w.c, now: now}
	t.exec(sqlUniquePrune, now, tidyRows)
	t.exec(sqlResultPrune, now, tidyRows)
	t.pruneFleet()
	t.pruneHistory(math.MaxInt64)
	if free, err := w.c.number(sqlFreePages); err == nil && free > keepPages {
		for r := t.query(sqlVacuum); r.next(); {
		}
	}
	if t.err == nil {
		_ = w.c.commit()
	}
}
