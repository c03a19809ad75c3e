package terminal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheBarIsAsFullAsTheWorkIsDone(t *testing.T) {
	assert.Equal(t, "redrive [............] 0 of 8", strings.ReplaceAll(progressLine("redrive", 0, 8, 0), strings.Repeat(".", 24), strings.Repeat(".", 12)))
	assert.Equal(t, "redrive [############............] 4 of 8, 2m0s left", progressLine("redrive", 4, 8, 2*time.Minute))
	assert.Equal(t, "redrive [########################] 8 of 8", progressLine("redrive", 8, 8, 0))
	assert.Equal(t, "export 300", progressLine("export", 300, -1, time.Minute), "it is not known how many there are")
	assert.Equal(t, "####", Bar(0, 0, 4), "nothing is to be done")
	assert.Equal(t, "####", Bar(9, 8, 4))
}

func TestTheTimeThatIsLeftIsThatOfTheRestAtTheSamePace(t *testing.T) {
	assert.Equal(t, 3*time.Second, timeLeft(time.Second, 10, 30))
	assert.Zero(t, timeLeft(time.Second, 0, 30), "nothing has been done yet")
	assert.Zero(t, timeLeft(time.Second, 10, 0))
}

// What is shown would be lines of their own in a file.
func TestProgressIsShownOnATerminalAlone(t *testing.T) {
	var out bytes.Buffer
	p := (&Streams{Err: &out}).NewProgress()
	p.Set("redrive", 1, 2)
	p.Done()
	assert.Empty(t, out.String())
	p.shows = true
	p.Set("redrive", 1, 2)
	p.Done()
	assert.Equal(t, "\r\x1b[Kredrive [############............] 1 of 2\r\x1b[K", out.String())
}
