package terminal

import (
	"fmt"
	"strings"
	"time"
)

// A Progress shows how far a long work is, on a terminal. Else it shows nothing.
type Progress struct {
	s     *Streams
	shows bool

	what  string
	began time.Time // of what, when first of it were done
	first int64
}

// NewProgress returns a Progress that shows nothing yet.
func (s *Streams) NewProgress() *Progress { return &Progress{s: s, shows: IsTerminal(s.Err)} }

const barWidth = 24

// Set shows that done of total are done; a negative total is unknown.
func (p *Progress) Set(what string, done, total int64) {
	if !p.shows {
		return
	}
	now := time.Now()
	if p.what != what {
		p.what, p.began, p.first = what, now, done
	}
	fmt.Fprint(p.s.Err, "\r\x1b[K"+progressLine(what, done, total, timeLeft(now.Sub(p.began), done-p.first, total-done)))
}

// Done removes what is shown.
func (p *Progress) Done() {
	if p.shows {
		fmt.Fprint(p.s.Err, "\r\x1b[K")
	}
}

// progressLine says how far a work is. A time left of 0 is unknown.
func progressLine(what string, done, total int64, left time.Duration) string {
	if total < 0 {
		return fmt.Sprintf("%s %d", what, done)
	}
	line := fmt.Sprintf("%s [%s] %d of %d", what, Bar(done, total, barWidth), done, total)
	if left >= time.Second {
		line += ", " + left.Round(time.Second).String() + " left"
	}
	return line
}

// timeLeft is how long the rest takes, if it goes on as it has: 0 where that is not known.
func timeLeft(took time.Duration, done, rest int64) time.Duration {
	if done <= 0 || rest <= 0 {
		return 0
	}
	return time.Duration(float64(took) / float64(done) * float64(rest))
}

// Bar is a bar of width characters, filled by done of total. One of nothing is full.
func Bar(done, total int64, width int) string {
	full := width
	if total > 0 {
		full = int(min(max(done, 0), total) * int64(width) / total)
	}
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}
