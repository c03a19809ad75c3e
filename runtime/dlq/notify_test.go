package dlq_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/dlq"
)

var notice = dlq.Notice{Queue: "q-dlq", Count: 9, Groups: []dlq.Group{
	{ID: "abc", Type: "mail", Pattern: "no <answer> & so on", Count: 7, Example: "m1"},
	{ID: "def", Type: "page", Pattern: "timeout", Count: 2, Example: "p1"},
}}

func TestWebhookIsSignedAndReadableForSlack(t *testing.T) {
	secret := []byte("hush")
	var got *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	hook := dlq.Webhook{URL: s.URL + "/services/key", Secret: secret, Client: s.Client()}
	require.NoError(t, hook.Notify(t.Context(), notice))

	assert.Equal(t, http.MethodPost, got.Method)
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	at := got.Header.Get("X-Taskgen-Timestamp")
	unix, err := strconv.ParseInt(at, 10, 64)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), time.Unix(unix, 0), time.Minute)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "." + string(body)))
	assert.Equal(t, "sha256="+hex.EncodeToString(mac.Sum(nil)), got.Header.Get("X-Taskgen-Signature"))

	var said struct {
		Text string `json:"text"`
		dlq.Notice
	}
	require.NoError(t, json.Unmarshal(body, &said))
	assert.Equal(t, "9 dead on q-dlq\n7 × mail: no &lt;answer&gt; &amp; so on (abc, such as m1)\n2 × page: timeout (def, such as p1)", said.Text)
	assert.Equal(t, notice, said.Notice)

	hook.Secret = nil
	require.NoError(t, hook.Notify(t.Context(), notice))
	assert.Empty(t, got.Header.Get("X-Taskgen-Signature"), "without a secret there is nothing to sign with")
}

func TestWebhookThatIsRefusedOrAwayIsAnErrorWithoutItsKey(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "invalid_token", http.StatusForbidden)
	}))
	hook := dlq.Webhook{URL: s.URL + "/services/key", Client: s.Client()}
	err := hook.Notify(t.Context(), notice)
	assert.ErrorContains(t, err, "403 Forbidden: invalid_token")
	assert.NotContains(t, err.Error(), "services/key")
	s.Close()
	err = hook.Notify(t.Context(), notice)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "services/key")
	hook.URL = "://services/key"
	err = hook.Notify(t.Context(), notice)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "services/key")
}

func TestWebhookFollowsNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host is asked") }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(other.URL+"/services/key", code))
		for _, client := range []*http.Client{nil, s.Client()} {
			err := (&dlq.Webhook{URL: s.URL + "/services/key", Secret: []byte("hush"), Client: client}).Notify(t.Context(), notice)
			require.ErrorContains(t, err, strconv.Itoa(code))
			require.ErrorContains(t, err, other.URL)
			assert.NotContains(t, err.Error(), "services/key")
		}
		s.Close()
	}
	followed := 0
	s := httptest.NewServer(http.RedirectHandler("/", http.StatusTemporaryRedirect))
	defer s.Close()
	own := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		followed++
		return http.ErrUseLastResponse
	}}
	require.Error(t, (&dlq.Webhook{URL: s.URL, Client: own}).Notify(t.Context(), notice))
	assert.Equal(t, 1, followed, "a client with a rule of its own keeps it")
}

func TestLogTellsOfEachGroup(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, dlq.Log(slog.New(slog.NewTextHandler(&out, nil))).Notify(context.Background(), notice))
	assert.Equal(t, 2, bytes.Count(out.Bytes(), []byte(`level=ERROR msg="tasks are dead" queue=q-dlq`)))
	assert.Contains(t, out.String(), "type=mail count=7 group=abc")
}

func TestWebhookShowsNeitherItsPathNorItsSecret(t *testing.T) {
	w := dlq.Webhook{URL: "https://ann:pa55@hooks.example.com/T0/hunter2?key=hunter2", Secret: []byte("hunter2")}
	var out bytes.Buffer
	for _, v := range []any{w, &w, []any{w, &w}, struct{ W *dlq.Webhook }{&w}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			_, _ = fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("a", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("a", "v", v)
	}
	for _, secret := range []string{"hunter2", "pa55", "104 117", "aHVudGVyMg"} {
		assert.NotContains(t, out.String(), secret)
	}
	assert.Equal(t, "dlq.Webhook[host=hooks.example.com signed=true]", fmt.Sprint(w))
}
