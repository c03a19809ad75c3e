package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
)

// Escape sequences of terminals.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
)

// comparedOver is how old the sample is at most that growth is measured from.
const comparedOver = time.Minute

// A watch is a screen that is drawn anew.
type watch struct {
	a       *app
	c       *target.Client
	samples []*topSample // of the last minute, the newest last
	warning string
	order   int
	held    bool
}

// A looked is what lookAround returns.
type looked struct {
	sample *topSample
	err    error
}

// watch draws until the key q, an interrupt, or an error of the first call. Later it says what is
// wrong, and goes on.
func (a *app) watch(ctx context.Context, c *target.Client, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	first, err := lookAround(ctx, c)
	if err != nil {
		cancel()
		return err
	}
	a.log.collect() // notes would be drawn over
	keys, restore, err := a.keys()
	if err != nil {
		cancel()
		return err
	}
	defer restore()
	fmt.Fprint(a.Out, enterScreen)
	defer fmt.Fprint(a.Out, leaveScreen)
	w := &watch{a: a, c: c, samples: []*topSample{first}}
	answers, asked := make(chan looked, 1), false
	defer func() {
		if cancel(); asked {
			<-answers
		}
	}()
	next := time.NewTimer(interval)
	defer next.Stop()
	for {
		w.draw()
		select {
		case <-next.C:
			if next.Reset(interval); !asked && !w.held {
				asked = true
				go func() {
					s, err := lookAround(ctx, c)
					answers <- looked{s, err}
				}()
			}
		case got := <-answers:
			asked = false
			w.take(got)
		case key := <-keys:
			if w.press(key) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// take takes a new sample, or says why there is none.
func (w *watch) take(got looked) {
	if got.err != nil {
		w.warning = "no answer since " + w.samples[len(w.samples)-1].at.Format(time.TimeOnly) + ": " + got.err.Error()
		return
	}
	w.warning = ""
	w.samples = append(w.samples, got.sample)
	for len(w.samples) > 2 && got.sample.at.Sub(w.samples[0].at) > comparedOver {
		w.samples = w.samples[1:]
	}
}

// press does what a key means, and reports whether that is to end.
func (w *watch) press(key byte) (quit bool) {
	switch key {
	case 'q', 'Q', 3: // 3 is ctrl-c, which is no signal while the terminal is raw
		return true
	case 'p', 'P':
		w.held = !w.held
	case 's', 'S':
		w.order = (w.order + 1) % len(topOrders)
	}
	return false
}

func (w *watch) draw() {
	width, height := w.a.Size()
	keys := "q quit   p hold   s order of queues: " + topOrders[w.order].name
	if w.held {
		keys = "q quit   p go on (the picture is held)   s order of queues: " + topOrders[w.order].name
	}
	view := topView{name: w.c.Name, width: width, height: height, colored: w.a.Colored, order: w.order, warning: w.warning, keys: keys}
	now := w.samples[len(w.samples)-1]
	var before *topSample
	if len(w.samples) > 1 {
		before = w.samples[0]
	}
	fmt.Fprint(w.a.Out, home+strings.Join(view.frame(now, before), clearLine+"\r\n")+clearLine+clearRest)
}

// keys are the keys that are pressed, where somebody can press some. restore gives the terminal
// back as it was.
func (a *app) keys() (pressed <-chan byte, restore func(), err error) {
	in, ok := a.In.(*os.File)
	if !ok || !a.Interactive() {
		return nil, func() {}, nil
	}
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, nil, err
	}
	keys := make(chan byte)
	go readKeys(in, keys)
	return keys, func() { _ = term.Restore(int(in.Fd()), was) }, nil
}

// readKeys sends the keys that are pressed. It ends with the process: nothing else reads keys.
func readKeys(in io.Reader, into chan<- byte) {
	key := make([]byte, 1)
	for {
		n, err := in.Read(key)
		if err != nil {
			return
		}
		if n == 1 {
			into <- key[0]
		}
	}
}
