// Package webhook signs webhooks, and checks the signatures of those that come in, by
// the scheme of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over
// the ID of a message, the time of the attempt, and the body. The ID stays the same
// through all attempts to send one message, so that a receiver can detect a repetition;
// the time is that of the attempt, so that an old request cannot be replayed later.
//
// Package dlq signs its webhooks with it. Programs that receive them, or send their own,
// need nothing else of taskgen.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed message.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp" // seconds since 1970
	HeaderSignature = "Webhook-Signature" // "v1," and base64; several are separated by spaces
)

// Tolerance is how far the time of a message may be from the receiver's clock.
const Tolerance = 5 * time.Minute

const (
	version = "v1,"
	// secretPrefix begins a secret as it is handed to people.
	secretPrefix = "whsec_"
)

// A Secret is the key that sender and receiver share, as bytes. It prints as its length.
type Secret []byte

// NewSecret returns a random secret.
func NewSecret() Secret {
	key := make([]byte, 32)
	rand.Read(key) // never fails: see its documentation
	return key
}

// ParseSecret reads a secret as it is handed to people: "whsec_" and base64.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	if !ok {
		return nil, fmt.Errorf("the secret of a webhook begins with %q", secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("the secret of a webhook is %q and base64, and this is none", secretPrefix)
	}
	return key, nil
}

// Text is the secret as ParseSecret reads it.
func (s Secret) Text() string { return secretPrefix + base64.StdEncoding.EncodeToString(s) }

// LogValue is the secret as a log may show it: its length.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String is what LogValue shows.
func (s Secret) String() string { return fmt.Sprintf("webhook.Secret[%d bytes]", len(s)) }

// Format prints what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText keeps the secret out of what is written as text or JSON: it is what String
// returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Sign adds the headers of a message that is sent at the given time.
func (s Secret) Sign(h http.Header, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, version+base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body)))
}

// Verify returns the ID of a message that was signed with this secret within
// Tolerance of now, or an error that says what is wrong with it. Signatures
// are compared in constant time.
func (s Secret) Verify(h http.Header, now time.Time, body []byte) (id string, err error) {
	id, timestamp := h.Get(HeaderID), h.Get(HeaderTimestamp)
	if len(s) == 0 {
		return "", errors.New("there is no secret to verify a signature with")
	}
	if id == "" {
		return "", fmt.Errorf("the header %s is missing", HeaderID)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return "", fmt.Errorf("the header %s is %q: give the seconds since 1970", HeaderTimestamp, timestamp)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age.Abs() > Tolerance {
		return "", fmt.Errorf("the message is signed for another time: %v from now", age.Round(time.Second))
	}
	want := s.mac(id, timestamp, body)
	for signature := range strings.FieldsSeq(h.Get(HeaderSignature)) {
		encoded, ok := strings.CutPrefix(signature, version)
		if !ok {
			continue // a scheme that we do not know: another one may fit
		}
		got, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && hmac.Equal(got, want) {
			return id, nil
		}
	}
	return "", errors.New("no signature of the message fits")
}

func (s Secret) mac(id, timestamp string, body []byte) []byte {
	m := hmac.New(sha256.New, s)
	_, _ = fmt.Fprintf(m, "%s.%s.", id, timestamp)
	m.Write(body)
	return m.Sum(nil)
}
