package output_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/output"
)

func TestAReaderHearsOfAllThatIsWritten(t *testing.T) {
	var b output.Buffer
	require.Empty(t, b.String())
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for range 100 {
				fmt.Fprintln(&b, "line", i)
			}
		})
	}
	text, more := b.Read()
	for strings.Count(text, "\n") < 800 {
		<-more
		text, more = b.Read()
	}
	writers.Wait()
	for i := range 8 {
		require.Equal(t, 100, strings.Count(text, fmt.Sprintln("line", i)))
	}
	select {
	case <-more:
		t.Fatal("there is no more")
	default:
	}
}
