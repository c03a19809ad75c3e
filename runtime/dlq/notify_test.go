package dlq_test

import (
	"bytes"
	"context"
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
	"github.com/taskgen/taskgen/runtime/webhook"
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
	id, err := webhook.Secret(secret).Verify(got.Header, time.Now(), body)
	require.NoError(t, err)
	require.NotEmpty(t, id)
	require.NoError(t, hook.Notify(t.Context(), notice))
	another, err := webhook.Secret(secret).Verify(got.Header, time.Now(), body)
	require.NoError(t, err)
	require.NotEqual(t, id, another, "each notice is a message of its own")

	hook.Secret = []byte(webhook.Secret(secret).Text())
	require.NoError(t, hook.Notify(t.Context(), notice))
	_, err = webhook.Secret(secret).Verify(got.Header, time.Now(), body)
	require.NoError(t, err, "a secret as it is handed to people")
	hook.Secret = []byte("whsec_hunter2%")
	err = hook.Notify(t.Context(), notice)
	require.ErrorContains(t, err, "secret of a webhook")
	assert.NotContains(t, err.Error(), "hunter2")

	var said struct {
		Text string `json:"text"`
		dlq.Notice
	}
	require.NoError(t, json.Unmarshal(body, &said))
	assert.Equal(t, "9 dead on q-dlq\n7 × mail: no &lt;answer&gt; &amp; so on (abc, such as m1)\n2 × page: timeout (def, such as p1)", said.Text)
	assert.Equal(t, notice, said.Notice)

	hook.Secret = nil
	require.NoError(t, hook.Notify(t.Context(), notice))
	assert.Empty(t, got.Header.Get(webhook.HeaderSignature), "without a secret there is nothing to sign with")
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
	// Nor with a client that would: to another host, to the same one, or as a GET.
	asked := 0
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.URL.Path == "/" {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		}
	}))
	defer here.Close()
	away := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusPermanentRedirect))
	defer away.Close()
	willing := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	for _, url := range []string{here.URL, away.URL} {
		require.ErrorContains(t, (&dlq.Webhook{URL: url, Secret: []byte("hush"), Client: willing}).Notify(t.Context(), notice), "redirects are not followed")
	}
	assert.Equal(t, 1, asked)
	assert.NotNil(t, willing.CheckRedirect, "the client is the program's")
	nowhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }))
	defer nowhere.Close()
	require.ErrorContains(t, (&dlq.Webhook{URL: nowhere.URL}).Notify(t.Context(), notice), "302")
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
