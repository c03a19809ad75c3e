package webhook

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message(number int) Message {
	return Message{ID: fmt.Sprintf("msg_%d", number), Body: []byte(`{"document":"a.md"}`)}
}

func listen(t *testing.T, secret webhook.Secret, path string) (*Receiver, *Sender) {
	t.Helper()
	r, err := Listen(secret, path)
	require.NoError(t, err)
	s := NewSender(secret)
	t.Cleanup(func() {
		s.Client.CloseIdleConnections()
		require.NoError(t, r.Close())
	})
	return r, s
}

func requireTaken(t *testing.T, r *Receiver, messages, refusedFirst int) {
	t.Helper()
	m, f := r.Taken()
	require.Equal(t, [2]int{messages, refusedFirst}, [2]int{m, f})
}

func TestReceiverTakesAMessageOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "received.jsonl")
	r, s := listen(t, webhook.NewSecret(), path)
	require.Error(t, s.Send(context.Background(), r.URL, message(0)))
	for range 3 {
		require.NoError(t, s.Send(context.Background(), r.URL, message(0)))
	}
	requireTaken(t, r, 1, 1)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(data), `"status":200`))
	assert.Contains(t, string(data), `"body":{"document":"a.md"}`)
}

func TestReceiverRefusesOneMessageInFourOnce(t *testing.T) {
	r, s := listen(t, webhook.NewSecret(), "")
	for number := range 16 {
		err := s.Send(context.Background(), r.URL, message(number))
		if number%4 != 0 {
			require.NoError(t, err, "message %d", number)
			continue
		}
		var again time.Duration
		if number%8 == 4 {
			again = time.Second
		}
		var refused *StatusError
		require.ErrorAs(t, err, &refused, "message %d", number)
		assert.Equal(t, &StatusError{Code: 503, Answer: "busy, come again", RetryAfter: again}, refused)
		require.NoError(t, s.Send(context.Background(), r.URL, message(number)))
	}
	requireTaken(t, r, 16, 4)
}

func TestReceiverRemembersThroughARestart(t *testing.T) {
	secret, path := webhook.NewSecret(), filepath.Join(t.TempDir(), "received.jsonl")
	r, err := Listen(secret, path)
	require.NoError(t, err)
	s := NewSender(secret)
	require.Error(t, s.Send(context.Background(), r.URL, message(0)))
	require.NoError(t, s.Send(context.Background(), r.URL, message(1)))
	s.Client.CloseIdleConnections()
	require.NoError(t, r.Close())

	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"at":"2026-`) // what a crash may leave
	require.NoError(t, err)
	require.NoError(t, file.Close())

	r, s = listen(t, webhook.NewSecret(), path)
	requireTaken(t, r, 1, 0)
	require.NoError(t, s.Send(context.Background(), r.URL, message(0)), "refused before, so not again")
	require.NoError(t, s.Send(context.Background(), r.URL, message(1)), "taken before")
	requireTaken(t, r, 2, 1)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NoError(t, eachLine(data, func(Entry) {}), "every line is whole")
}

func TestADamagedLogIsSaidAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "received.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{}\nnonsense\n{"), 0o600))
	_, err := Listen(webhook.NewSecret(), path)
	require.ErrorContains(t, err, path+": line 2")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "{}\nnonsense\n{", string(data))
}

func TestAWrongSecretIsNotRetryable(t *testing.T) {
	r, _ := listen(t, webhook.NewSecret(), "")
	s := NewSender(webhook.NewSecret())
	var refused *StatusError
	require.ErrorAs(t, s.Send(context.Background(), r.URL, Message{ID: "msg_1", Body: []byte(`{}`)}), &refused)
	assert.Equal(t, http.StatusUnauthorized, refused.Code)
	assert.False(t, refused.Retryable())
	requireTaken(t, r, 0, 0)
	s.Client.CloseIdleConnections()
}

func TestWhatIsRetryable(t *testing.T) {
	for code, want := range map[int]bool{302: false, 400: false, 404: false, 408: true, 425: true, 429: true, 500: true, 503: true} {
		assert.Equal(t, want, (&StatusError{Code: code}).Retryable(), "%d", code)
	}
}

func TestSendDoesNotFollowRedirects(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	var status *StatusError
	err := NewSender(webhook.NewSecret()).Send(context.Background(), server.URL+"/here", Message{ID: "msg_1"})
	require.ErrorAs(t, err, &status)
	assert.Equal(t, 307, status.Code)
	assert.Equal(t, []string{"/here"}, asked)
}

func TestRetryAfterIsSecondsOrATime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		assert.Equal(t, want, retryAfter(value, now), "%q", value)
	}
}

func TestHeadersOfTheMessageAreSentButCannotForgeTheSignature(t *testing.T) {
	secret := webhook.NewSecret()
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	s := NewSender(secret)
	require.NoError(t, s.Send(context.Background(), server.URL, Message{
		ID: "msg_1", Body: []byte(`{}`), Headers: map[string]string{"X-Event": "document.finished", webhook.HeaderID: "forged"},
	}))
	assert.Equal(t, "document.finished", got.Get("X-Event"))
	id, err := secret.Verify(got, time.Now(), []byte(`{}`))
	require.NoError(t, err)
	assert.Equal(t, "msg_1", id)
	s.Client.CloseIdleConnections()
}
