//go:build unix

package testserver

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeptDataAreThereForTheNextServer(t *testing.T) {
	for kind, shelf := range shelves {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new", kind)
			s, err := Keep(kind, dir)
			require.NoError(t, err)
			shelf.make(t, s.URL)
			shelf.put(t, s.URL)
			_, err = Keep(kind, dir)
			assert.ErrorContains(t, err, "another server uses the folder "+dir)
			before := traceOf(s)
			require.NoError(t, s.Stop())
			requireEnded(t, before.PIDs)
			require.NoError(t, s.Stop())

			s, err = Keep(kind, dir)
			require.NoError(t, err)
			assert.Equal(t, "kept", shelf.get(t, s.URL))
			require.NoError(t, s.Stop())
		})
	}
}

func TestAnEmulatorKeepsNothing(t *testing.T) {
	_, err := Keep("sqs", t.TempDir())
	assert.EqualError(t, err, "testserver: sqs keeps no data")
}
