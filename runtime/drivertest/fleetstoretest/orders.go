package fleetstoretest

import (
	"time"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

func quiet(id string) *fleetstore.Order {
	return &fleetstore.Order{Worker: id, Kind: fleetstore.OrderQuiet}
}

func resume(id string) *fleetstore.Order {
	return &fleetstore.Order{Worker: id, Kind: fleetstore.OrderResume}
}

func cancel(id, task string) *fleetstore.Order {
	return &fleetstore.Order{Worker: id, Kind: fleetstore.OrderCancel, TaskID: task}
}

// gets fails unless these orders come to a worker, and returns them.
func (s *env) gets(id string, done int64, want string) []fleetstore.Order {
	s.Helper()
	orders := s.beats(worker(id), done, long)
	s.check(kinds(orders) == want, "the orders to %q are %q, want %q", id, kinds(orders), want)
	return orders
}

func ordered(s *env) {
	s.gets("a", 0, "")
	first := quiet("a")
	s.sends(first, long)
	for range 2 {
		got := s.gets("a", 0, "quiet")
		s.check(got[0].Seq == first.Seq, "the order is %+v, and was sent as %+v", got[0], first)
	}
	for _, o := range []*fleetstore.Order{resume("a"), cancel("a", "t1"), quiet("a")} {
		before := first.Seq
		s.sends(o, long)
		s.check(o.Seq > before, "order %+v after %d", o, before)
		first = o
	}
	got := s.gets("a", 0, "quiet, resume, cancel t1, quiet")
	got = s.gets("a", got[1].Seq, "cancel t1, quiet")
	s.gets("a", 0, "cancel t1, quiet") // done is done
	s.gets("a", got[1].Seq, "")
	s.gets("a", 0, "")
	last := resume("a")
	s.sends(last, long)
	s.check(last.Seq > got[1].Seq, "order %+v after %+v", last, got[1])
	s.gets("a", 0, "resume")
}

func addressed(s *env) {
	for _, id := range []string{"a", "ab", "a b"} {
		s.beats(worker(id), 0, long)
	}
	s.sends(quiet("a"), long)
	s.gets("ab", 0, "")
	s.gets("a b", 0, "")
	s.sends(cancel("ab", "t"), long)
	of := s.gets("ab", 0, "cancel t")
	s.gets("ab", of[0].Seq, "")
	s.gets("a", 0, "quiet") // what another has done is not done here
	s.gets("a b", 1<<50, "")
	s.gets("a", 0, "quiet")
	s.check(s.Leave(s.ctx, "ab") == nil, "leave")
	s.gets("a", 0, "quiet")
}

func late(s *env) {
	s.beats(worker("a"), 0, long)
	s.sends(quiet("a"), ttl)
	s.sends(resume("a"), long)
	s.gets("a", 0, "quiet, resume")
	s.Pass(ttl + s.Late)
	s.gets("a", 0, "resume")
}

func outlived(s *env) {
	s.beats(worker("a"), 0, long)
	s.sends(quiet("a"), long)
	s.sends(resume("a"), ttl)
	s.Pass(ttl + s.Late)
	s.gets("a", 0, "quiet")
}

func refused(s *env) {
	s.notFound(s.Send(s.ctx, quiet("nobody"), long))
	s.beats(worker("nobody"), 0, long)
	s.gets("nobody", 0, "")
	s.beats(worker("a"), 0, long)
	s.check(s.Leave(s.ctx, "a") == nil, "leave")
	s.notFound(s.Send(s.ctx, quiet("a"), long))
	s.gets("a", 0, "")
}

func returned(s *env) {
	s.beats(worker("a"), 0, long)
	s.sends(quiet("a"), long)
	s.check(s.Leave(s.ctx, "a") == nil, "leave")
	s.gets("a", 0, "")
	o := resume("a")
	s.sends(o, time.Hour)
	s.gets("a", 0, "resume")
	s.gets("a", o.Seq, "")
}
