package sqlite

const (
	// The head of the line, in order, with each one's envelope: two seeks a task.
	// CROSS JOIN fixes the order of the loops.
	sqlReadyHead = `SELECT r.level, r.place, r.seq, j.crashes, j.ukey IS NOT NULL OR j.origin > 0, j.envelope
		FROM taskgen_ready r CROSS JOIN taskgen_job j ON j.seq = r.seq
		WHERE r.queue = +? ORDER BY r.level DESC, r.place LIMIT +?`
	// Both take a range from the head of one level: a row each, in one
	// statement.
	sqlLeaseRange = `INSERT INTO taskgen_lease (seq, queue, token, until)
		SELECT seq, queue, ?4, ?5 FROM taskgen_ready WHERE queue = ?1 AND level = ?2 AND place <= ?3`
	sqlReadyRange = `DELETE FROM taskgen_ready WHERE queue = ? AND level = ? AND place <= ?`
	// The groups whose turn it is, from the head of the index.
	sqlGroupTurns = `SELECT grp FROM taskgen_group INDEXED BY taskgen_group_turn WHERE queue = +? AND turn > 0 ORDER BY turn LIMIT +?`
	// The head of one group's line with its envelope: two seeks.
	sqlLineHead = `SELECT l.place, l.seq, j.crashes, j.envelope
		FROM taskgen_line l CROSS JOIN taskgen_job j ON j.seq = l.seq
		WHERE l.queue = +? AND l.grp = +? ORDER BY l.place LIMIT 1`
	// One row and its index entry.
	sqlLeaseAdd = `INSERT INTO taskgen_lease (seq, queue, token, until) VALUES (?, ?, ?, ?)`
)

// A claimed task was just leased, and is as in the file.
type claimed struct {
	receipt
	crashes  int64
	envelope []byte
}

// claim leases up to limit tasks until the given time, and at most maxClaimBytes
// unless a single task is larger. All tasks of one claim have the same token, which
// only has to distinguish the deliveries of one task.
func (t *tx) claim(s *state, limit int, until int64) []claimed {
	if s.paused != notPaused || s.ready == 0 {
		return nil
	}
	token := s.next()
	var got []claimed
	if s.fifo {
		got = t.claimGroups(s, limit, token, until)
	} else {
		got = t.claimReady(s, limit, token, until)
	}
	if len(got) == 0 {
		s.last = token - 1 // the token was not used, and the row need not be written
	}
	s.ready -= int64(len(got))
	s.leased += int64(len(got))
	return got
}

func (t *tx) claimReady(s *state, limit int, token, until int64) []claimed {
	type end struct{ level, place int64 }
	var (
		got  = make([]claimed, 0, min(int64(limit), s.ready))
		ends []end // the last place taken of each level
	)
	bytesLeft := maxClaimBytes
	for r := t.query(sqlReadyHead, s.id, int64(limit)); r.next(); {
		if bytesLeft -= r.s.ColumnLen(5); bytesLeft < 0 && len(got) > 0 {
			r.done()
			break
		}
		level, place := r.int(0), r.int(1)
		if len(ends) == 0 || ends[len(ends)-1].level != level {
			ends = append(ends, end{level: level})
		}
		ends[len(ends)-1].place = place
		got = append(got, claimed{receipt{r.int(2), token, r.int(4) != 0}, r.int(3), r.bytes(5)})
	}
	for _, e := range ends {
		t.exec(sqlLeaseRange, s.id, e.level, e.place, token, until)
		t.exec(sqlReadyRange, s.id, e.level, e.place)
	}
	return got
}

// claimGroups takes the head of each group whose turn it is.
func (t *tx) claimGroups(s *state, limit int, token, until int64) []claimed {
	var groups []string
	for r := t.query(sqlGroupTurns, s.id, int64(limit)); r.next(); {
		groups = append(groups, r.text(0))
	}
	var got []claimed
	bytesLeft := maxClaimBytes
	for _, grp := range groups {
		r := t.queryText(sqlLineHead, grp, s.id)
		if !r.next() {
			continue
		}
		if bytesLeft -= r.s.ColumnLen(3); bytesLeft < 0 && len(got) > 0 {
			r.done()
			break
		}
		place, c := r.int(0), claimed{receipt{r.int(1), token, true}, r.int(2), r.bytes(3)}
		r.done()
		t.execText(sqlLineDrop, grp, s.id, place, c.seq)
		t.execText(sqlGroupTurn, grp, s.id, 0)
		t.exec(sqlLeaseAdd, c.seq, s.id, token, until)
		got = append(got, c)
	}
	return got
}
