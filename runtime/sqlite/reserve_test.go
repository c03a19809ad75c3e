package sqlite

import (
	"fmt"
	"os"
	"regexp"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// bytesRead is how much the process has read so far, from files and pipes.
func bytesRead(t *testing.T) int {
	t.Helper()
	io, err := os.ReadFile("/proc/self/io")
	require.NoError(t, err)
	n, err := strconv.Atoi(regexp.MustCompile(`rchar: (\d+)`).FindStringSubmatch(string(io))[1])
	require.NoError(t, err)
	return n
}

// TestATransactionDoesNotReadTheReserve is not parallel: it counts what the process reads.
func TestATransactionDoesNotReadTheReserve(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("only Linux counts what a process reads")
	}
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, task("first"))
	n, err := p.writer.c.number(sqlReserved)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	const enqueues = 50
	before := bytesRead(t)
	for i := range enqueues {
		enqueue(t, q, task(fmt.Sprint("t", i)))
	}
	require.Less(t, bytesRead(t)-before, enqueues*reserveBytes/4)
}

func TestTheReserveOfAnOlderBuildIsReplacedAndGivenUpOnAFullDisk(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	// What the writer's connection does is done by its goroutine.
	inWriter := func(f func(w *writer)) {
		require.NoError(t, p.writer.do(within(t), 0, func(*tx) { f(p.writer) }))
	}
	number := func(query string) (n int64) {
		inWriter(func(w *writer) {
			var err error
			n, err = w.c.number(query)
			require.NoError(t, err)
		})
		return n
	}
	const older = "SELECT count(*) FROM taskgen_meta WHERE key = 'reserve'"
	addOlder := func() {
		inWriter(func(w *writer) { require.NoError(t, setMeta(w.c.Conn, "reserve", strings.Repeat("0", reserveBytes))) })
	}

	inWriter(func(w *writer) { require.NoError(t, w.c.plain(sqlSpend)) }) // an older build has none there
	addOlder()
	enqueue(t, q, task("a"))
	require.Zero(t, number(older))
	require.EqualValues(t, 1, number(sqlReserved))

	addOlder() // by an older build that works on the file at the same time
	require.NoError(t, p.Close())
	c, err := openWriter(t.Context(), path, Full)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	identity, err := identify(path)
	require.NoError(t, err)
	w := newWriter(c, identity, driver.SystemClock, nil)
	require.True(t, w.spendReserve())
	for _, query := range []string{older, sqlReserved} {
		n, err := c.number(query)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	require.False(t, w.spendReserve(), "nothing is left to spend")
}
