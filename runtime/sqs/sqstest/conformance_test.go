package sqstest_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
)

func TestTheFakeDoesAsAWSDoes(t *testing.T) {
	for _, c := range allChecks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := fakeEnv(t, c.name)
			assert.Empty(t, w.run(c))
		})
	}
}

func TestNoTwoChecksHaveOneName(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range allChecks {
		assert.False(t, seen[c.name], c.name)
		seen[c.name] = true
	}
}

// run carries c out and returns what failed.
func (w *env) run(c check) []string {
	done := make(chan struct{})
	go func() { // a failed requirement ends the goroutine
		defer close(done)
		c.do(w)
	}()
	<-done
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures
}

// emulatorConforms runs the checks that an emulator has time for, many at once:
// they spend their time waiting. Those of deviations have to fail, so that the
// list stays true.
func emulatorConforms(t *testing.T, name string, deviations map[string]string) {
	server, err := testserver.SQSEmulator(name)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	transport := newTransport(t)
	failures := make([][]string, len(allChecks))
	var running sync.WaitGroup
	room := make(chan struct{}, 16)
	for i, c := range allChecks {
		if c.slow {
			continue
		}
		running.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			// An emulator that closes an idle connection while a call is on its way
			// to it has the call tried again.
			w := &env{name: c.name, client: newClient(server.URL, transport, 3)}
			failures[i] = w.run(c)
		})
	}
	running.Wait()
	known := 0
	for i, c := range allChecks {
		reason, deviates := deviations[c.name]
		if deviates {
			known++
		}
		t.Run(c.name, func(t *testing.T) {
			switch {
			case deviates && len(failures[i]) == 0:
				t.Errorf("%s does this as AWS does, and is on record for: %s. Take it off the list.", name, reason)
			case !deviates && len(failures[i]) > 0:
				t.Error(strings.Join(failures[i], "\n"))
			}
		})
	}
	assert.Len(t, deviations, known, "the list of deviations names checks that there are not")
}

func TestFauxSQSDoesAsAWSDoesButFor(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts an emulator")
	}
	t.Parallel()
	emulatorConforms(t, testserver.FauxSQS, fauxSQSDeviations)
}

func TestLocalAWSSQSDoesAsAWSDoesButFor(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts an emulator")
	}
	t.Parallel()
	emulatorConforms(t, testserver.LocalAWSSQS, localAWSSQSDeviations)
}
