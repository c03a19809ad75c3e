//go:build unix

package testserver

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireEnded: none of the processes is there any more, nor what they forked.
func requireEnded(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		require.NotZero(t, pid)
		require.Eventually(t, func() bool {
			return errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH)
		}, time.Minute, 10*time.Millisecond, "process group %d is still there", pid)
	}
}

func TestServersDieWithAParentThatIsKilled(t *testing.T) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			parent := exec.CommandContext(t.Context(), os.Args[0])
			parent.Env = append(os.Environ(), envParent+"="+kind)
			parent.Stderr = os.Stderr
			out, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			var left trace
			require.NoError(t, json.NewDecoder(out).Decode(&left))
			require.DirExists(t, left.Dir)

			require.NoError(t, parent.Process.Kill())
			_ = parent.Wait() // it was killed
			requireEnded(t, left.PIDs)
			assert.Eventually(t, func() bool {
				_, err := os.Stat(left.Dir)
				return errors.Is(err, os.ErrNotExist)
			}, time.Minute, 10*time.Millisecond)
		})
	}
}

func TestAServerThatWasKilledLeavesItsGuardNothingToKill(t *testing.T) {
	s, err := Redis()
	require.NoError(t, err)
	require.NoError(t, s.Kill())
	// The number of a process that has ended may be given to any other.
	require.Equal(t, 0, s.daemons[0].pid)
	require.NoError(t, s.Stop())
}
