package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/webhook"
)

func TestSignatureIsThatOfStandardWebhooks(t *testing.T) {
	// The test vector of the specification's reference libraries.
	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	h := make(http.Header)
	secret.Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	assert.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", h.Get(webhook.HeaderSignature))
	assert.Equal(t, "1614265330", h.Get("webhook-timestamp"))
	assert.Equal(t, "msg_p5jXN8AQM9LWM0D4loKWxJek", h.Get("webhook-id"))
}

func TestASecretIsReadAsItIsHandedToPeople(t *testing.T) {
	secret := webhook.NewSecret()
	again, err := webhook.ParseSecret(secret.Text())
	require.NoError(t, err)
	assert.True(t, bytes.Equal(secret, again))
	for _, text := range []string{"", "whsec_", "whsec_%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "hunter2hunter2"} {
		_, err := webhook.ParseSecret(text)
		require.Error(t, err, text)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestASecretIsNotShown(t *testing.T) {
	secret := webhook.Secret("hunter2")
	var out bytes.Buffer
	for _, v := range []any{secret, &secret, []any{secret}, struct{ S webhook.Secret }{secret}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			_, _ = fmt.Fprintf(&out, verb+"\n", v)
		}
		require.NoError(t, json.NewEncoder(&out).Encode(v))
		slog.New(slog.NewJSONHandler(&out, nil)).Info("a", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("a", "v", v)
	}
	for _, shown := range []string{"hunter2", "104 117", "aHVudGVyMg", "68756e74657232"} {
		assert.NotContains(t, out.String(), shown)
	}
	assert.Contains(t, out.String(), "webhook.Secret[7 bytes]")
}

func TestVerifyRefusesWhatWasChanged(t *testing.T) {
	secret, now, body := webhook.NewSecret(), time.Unix(1_700_000_000, 0), []byte(`{"a":1}`)
	signed := func() http.Header {
		h := make(http.Header)
		secret.Sign(h, "msg_1", now, body)
		return h
	}
	id, err := secret.Verify(signed(), now.Add(4*time.Minute), body)
	require.NoError(t, err)
	assert.Equal(t, "msg_1", id)

	h := signed()
	h.Set(webhook.HeaderSignature, "v2,abc "+h.Get(webhook.HeaderSignature))
	_, err = secret.Verify(h, now, body)
	require.NoError(t, err, "one fitting signature of several is enough")

	h = make(http.Header)
	webhook.Secret(nil).Sign(h, "msg_1", now, body)
	_, err = webhook.Secret(nil).Verify(h, now, body)
	require.ErrorContains(t, err, "no secret", "anybody can sign with no secret")

	for name, c := range map[string]struct {
		change func(http.Header)
		secret webhook.Secret
		now    time.Time
		body   string
		want   string
	}{
		"body":          {body: `{"a":2}`, want: "no signature"},
		"secret":        {secret: webhook.NewSecret(), want: "no signature"},
		"id":            {change: func(h http.Header) { h.Set(webhook.HeaderID, "msg_2") }, want: "no signature"},
		"no id":         {change: func(h http.Header) { h.Del(webhook.HeaderID) }, want: "Webhook-Id is missing"},
		"timestamp":     {change: func(h http.Header) { h.Set(webhook.HeaderTimestamp, "1700000001") }, want: "no signature"},
		"no timestamp":  {change: func(h http.Header) { h.Set(webhook.HeaderTimestamp, "today") }, want: `is "today"`},
		"no signature":  {change: func(h http.Header) { h.Del(webhook.HeaderSignature) }, want: "no signature"},
		"not base64":    {change: func(h http.Header) { h.Set(webhook.HeaderSignature, "v1,%%") }, want: "no signature"},
		"played back":   {now: now.Add(6 * time.Minute), want: "6m0s from now"},
		"of the future": {now: now.Add(-6 * time.Minute), want: "-6m0s from now"},
	} {
		t.Run(name, func(t *testing.T) {
			h, s, at, b := signed(), secret, now, body
			if c.change != nil {
				c.change(h)
			}
			if c.secret != nil {
				s = c.secret
			}
			if !c.now.IsZero() {
				at = c.now
			}
			if c.body != "" {
				b = []byte(c.body)
			}
			_, err := s.Verify(h, at, b)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
