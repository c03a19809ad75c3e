package report

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how many of the known tasks are done: a bar on a terminal, else
// a line now and then, so that a log stays readable. The number of known tasks
// may grow, for tasks bring forth tasks. It is safe for use by many goroutines.
type Progress struct {
	mu   sync.Mutex
	out  io.Writer
	bar  *progressbar.ProgressBar // nil: lines
	next time.Time                // when the next line is due
	last string
}

// lineEvery is the time between two lines.
const lineEvery = time.Second

// drawEvery is the least time between two drawings of the bar: Show sets two
// numbers, and the bar would draw itself for each.
const drawEvery = 40 * time.Millisecond

// NewProgress shows progress on out.
func NewProgress(out io.Writer) *Progress {
	p := &Progress{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = newBar(out)
	}
	return p
}

func newBar(out io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(1,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetDescription("tasks"),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionThrottle(drawEvery),
		progressbar.OptionClearOnFinish(),
	)
}

// Show says that done of the known tasks are done.
func (p *Progress) Show(done, known int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		// Never full before Finish: a full bar is over for good, and the last
		// task of a document brings forth another.
		p.bar.ChangeMax(max(known, done+1))
		_ = p.bar.Set(done) // a terminal that is gone is no reason to stop
		return
	}
	line := fmt.Sprintf("%d of %d tasks done", done, known)
	if now := time.Now(); now.After(p.next) && line != p.last {
		p.next, p.last = now.Add(lineEvery), line
		fmt.Fprintln(p.out, line)
	}
}

// Clear takes the bar off the terminal, for other output. The next Show brings
// it back.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *Progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// Write writes to where the progress is shown, in the bar's place: it is for a
// log that goes the same way.
func (p *Progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.out.Write(text)
}
