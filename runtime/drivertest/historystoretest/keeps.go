package historystoretest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/history/historystore"
)

// short is an age that a test waits for: a sixteenth of it is what a store may keep longer.
const short = 3200 * time.Millisecond

func (s *env) addsFor(age time.Duration, records ...historystore.Record) {
	s.Helper()
	err := s.Add(s.ctx, records, historystore.Limits{Age: age, Bytes: all.Bytes})
	s.check(err == nil, "add: %v", err)
}

func aged(s *env) {
	s.addsFor(short, records(10)...)
	s.check(len(s.pages(historystore.Filter{}, 100)) == 10, "records have gone before their time")
	s.Pass(short + short/16)
	s.check(len(s.task(record(0).TaskID)) == 0, "a task has records beyond their time")
	s.check(len(s.pages(historystore.Filter{}, 100)) == 0, "records are listed beyond their time")
	s.check(len(s.stats(historystore.Filter{})) == 0, "records are counted beyond their time")
	s.addsFor(short, record(3))
	s.check(len(s.pages(historystore.Filter{}, 100)) == 1, "records are there again, or none is")
}

func outlived(s *env) {
	s.addsFor(short, record(1))
	s.Pass(short / 2)
	s.addsFor(short, record(2))
	s.check(len(s.pages(historystore.Filter{}, 100)) == 2, "a record has gone before its time")
	s.Pass(short/2 + short/16)
	got := ids(s.pages(historystore.Filter{}, 100))
	s.check(slices.Equal(got, []string{record(2).TaskID}), "listed are %q", got)
	s.Pass(short / 2)
	s.check(len(s.pages(historystore.Filter{}, 100)) == 0, "records are listed beyond their time")
}

// bounded adds much more than is to be kept. A record takes 18 bytes at least: its ID and
// its mark.
func bounded(s *env) {
	const bytes = 100_000
	keep := historystore.Limits{Age: time.Hour, Bytes: bytes}
	rs := records(20_000)
	for part := range slices.Chunk(rs, 250) {
		err := s.Add(s.ctx, part, keep)
		s.check(err == nil, "add: %v", err)
		s.check(len(s.task(part[249].TaskID)) == 1, "what was added last is not there")
	}
	got := ids(s.pages(historystore.Filter{}, 1000))
	s.check(slices.Equal(got, newestFirst(rs)[:len(got)]), "it is not the oldest that are gone")
	s.check(len(got) <= bytes/18, "%d records are kept in %d bytes", len(got), bytes)
	s.check(len(got) >= bytes/100, "%d records are kept in %d bytes", len(got), bytes)
	s.check(len(s.task(rs[0].TaskID)) == 0, "the oldest task is there")
	err := s.Add(s.ctx, rs[:500], historystore.Limits{Age: time.Hour, Bytes: 1})
	s.check(err == nil && len(s.task(rs[499].TaskID)) == 1, "with room for nothing the last is not there: %v", err)
}

func large(s *env) {
	rs := records(3000)
	for i := range rs {
		rs[i].Error = fmt.Sprint(i, " ", strings.Repeat("x", historystore.MaxError-10))
	}
	s.adds(rs...)
	got := s.pages(historystore.Filter{}, 700)
	slices.Reverse(got)
	s.same(got, rs)
}

func odd(s *env) {
	texts := []string{
		"", " ", "a\x00b", "a", "\xff\xfe", "{a}:b", "%", "welcome\n", strings.Repeat("long ", 100), "ünï",
		"01890A5D-AC96-774B-BCCE-000000000000", "01890a5d-ac96-774b-bcce-000000000000", "01890a5d_ac96_774b_bcce_000000000000",
		"4bf92f3577b34da6a3ce929d0e0e4736", "4BF92F3577B34DA6A3CE929D0E0E4736", "zzf92f3577b34da6a3ce929d0e0e4736",
	}
	var rs []historystore.Record
	for i, text := range texts {
		r := record(i)
		r.TaskID, r.Type, r.Queue, r.Worker, r.Error, r.TraceID = text, text, text, text, text, text
		rs = append(rs, r)
	}
	s.adds(rs...)
	for _, r := range rs {
		s.same(s.task(r.TaskID), []historystore.Record{r})
		if r.Type != "" {
			s.same(s.pages(historystore.Filter{Type: r.Type, Queue: r.Queue}, 10), []historystore.Record{r})
		}
	}
	s.check(len(s.stats(historystore.Filter{})) == len(texts), "stats: %+v", s.stats(historystore.Filter{}))
	s.check(len(s.task("nobody")) == 0, "a task without records has some")
}
