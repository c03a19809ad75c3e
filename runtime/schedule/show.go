package schedule

import "log/slog"

// LogValue is the job for a log: without the payload of its task.
func (j Job) LogValue() slog.Value { return slog.GroupValue(j.shown()...) }

func (j Job) shown() []slog.Attr {
	attrs := []slog.Attr{slog.String("id", string(j.ID)), slog.String("when", j.When.String())}
	if j.Owner != "" {
		attrs = append(attrs, slog.String("owner", j.Owner))
	}
	if j.Task != nil {
		attrs = append(attrs, slog.Attr{Key: "task", Value: j.Task.LogValue()})
	}
	return attrs
}

// LogValue is the status for a log: without the payload of its task.
func (s Status) LogValue() slog.Value {
	attrs := append(s.shown(), slog.String("state", string(s.State)), slog.Bool("paused", s.Paused), slog.Int64("fired", s.Fired))
	if !s.Next.IsZero() {
		attrs = append(attrs, slog.Time("next", s.Next))
	}
	if s.Error != "" {
		attrs = append(attrs, slog.String("error", s.Error))
	}
	return slog.GroupValue(attrs...)
}

// LogValue is the change for a log: without the payload of its task.
func (c Change) LogValue() slog.Value { return Job{When: c.When, Task: c.Task}.LogValue() }
