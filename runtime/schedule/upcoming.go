package schedule

import "time"

// Upcoming returns the next n times at which the job is due, from Next on: fewer if it is due
// less often, and none of a job that has ended. A paused job is due at none of them until it is
// resumed. The times of a job that is overdue include those that have passed. The error says
// that this machine cannot read the job's cron expression.
func (s *Status) Upcoming(n int) ([]time.Time, error) {
	if s.Next.IsZero() || n <= 0 {
		return nil, nil
	}
	times, err := timetableOf(s.When)
	if err != nil {
		return nil, err
	}
	e := &Entry{ID: s.ID}
	e.When, e.Jitter, e.Seed = s.When, s.Jitter, s.seed
	at := s.firing
	if at.IsZero() { // of another Scheduler
		at, e.Jitter = s.Next, 0
	}
	var all []time.Time
	for ; len(all) < n && !at.IsZero(); at = times.next(at) {
		all = append(all, dueBy(e, times, at))
	}
	return all, nil
}
