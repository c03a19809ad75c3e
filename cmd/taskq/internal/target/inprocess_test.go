package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func call(t *testing.T, ctx context.Context, h http.HandlerFunc) (*http.Response, *inProcess, error) {
	t.Helper()
	tr := &inProcess{handler: h}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/path?q=1", http.NoBody)
	require.NoError(t, err)
	res, err := tr.RoundTrip(r)
	return res, tr, err
}

// A stream must not wait for its end.
func TestAnAnswerComesAsItIsWritten(t *testing.T) {
	read := make(chan struct{})
	res, tr, err := call(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/path?q=1", r.RequestURI)
		w.Header().Set("X-One", "1")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Late", "1")
		fmt.Fprint(w, "first")
		<-read
		fmt.Fprint(w, "second")
	})
	require.NoError(t, err)
	assert.Equal(t, "1", res.Header.Get("X-One"))
	assert.Empty(t, res.Header.Get("X-Late"), "it was set behind the head")
	first := make([]byte, 5)
	_, err = io.ReadFull(res.Body, first)
	require.NoError(t, err)
	close(read)
	rest, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, "firstsecond", string(first)+string(rest))
	require.NoError(t, res.Body.Close())
	tr.wait()
}

func TestAClosedAnswerEndsItsHandler(t *testing.T) {
	ended := make(chan error, 1)
	res, tr, err := call(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		<-r.Context().Done()
		_, err := fmt.Fprint(w, "nobody reads this")
		ended <- err
	})
	require.NoError(t, err)
	assert.Equal(t, http.StatusAccepted, res.StatusCode)
	require.NoError(t, res.Body.Close())
	require.ErrorIs(t, <-ended, io.ErrClosedPipe)
	tr.wait()
}

func TestACallThatIsGivenUpReturnsAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, tr, err := call(t, ctx, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	tr.wait()
}

func TestAHandlerThatPanicsBreaksItsAnswerOff(t *testing.T) {
	res, tr, err := call(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic(errors.New("lost"))
	})
	require.NoError(t, err)
	_, err = io.ReadAll(res.Body)
	require.ErrorContains(t, err, "the API panicked: lost")
	require.NoError(t, res.Body.Close())
	tr.wait()
}
