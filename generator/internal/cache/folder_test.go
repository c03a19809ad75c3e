package cache

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheEntriesUsedLastAreKept(t *testing.T) {
	c := Open(t.TempDir())
	for i := range most + 3 {
		c.write(fmt.Sprint(i), []byte("entry"))
	}
	entries, err := os.ReadDir(c.dir)
	require.NoError(t, err)
	require.Len(t, entries, most)
	require.Equal(t, []byte("entry"), c.read(fmt.Sprint(most+2)))
}
