// Package webhook sends signed webhooks and receives them.
//
// The signature is that of Standard Webhooks (https://www.standardwebhooks.com):
// HMAC-SHA256 over id, timestamp and body. The id stays the same through all
// retries of one message, so that a receiver can tell a repetition; the timestamp
// is that of the attempt, so that an old request cannot be played back later.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
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

// tolerance is how far the timestamp may be from the receiver's clock.
const tolerance = 5 * time.Minute

const version = "v1,"

// A Secret is the key that sender and receiver share.
type Secret []byte

// NewSecret returns a random secret.
func NewSecret() Secret {
	key := make([]byte, 32)
	rand.Read(key) // never fails: see its documentation
	return key
}

// Sign adds the headers of a message that is sent at the given time.
func (s Secret) Sign(h http.Header, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, version+base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body)))
}

// Verify returns the id of a message that was signed with this secret within
// five minutes of now, or an error that says what is wrong with it. Signatures
// are compared in constant time.
func (s Secret) Verify(h http.Header, now time.Time, body []byte) (id string, err error) {
	id, timestamp := h.Get(HeaderID), h.Get(HeaderTimestamp)
	if id == "" {
		return "", fmt.Errorf("the header %s is missing", HeaderID)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return "", fmt.Errorf("the header %s is %q: give the seconds since 1970", HeaderTimestamp, timestamp)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age.Abs() > tolerance {
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
	fmt.Fprintf(m, "%s.%s.", id, timestamp)
	m.Write(body)
	return m.Sum(nil)
}
