// Package webhook sends signed webhooks and receives them. The signature is that of
// package webhook of taskgen.
package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/taskgen/taskgen/runtime/webhook"
)

// A StatusError is an answer other than 2xx.
type StatusError struct {
	Code   int
	Answer string // the start of the answer's body
	// RetryAfter is what the receiver asked for with a header of that name; 0
	// when it did not.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the receiver answered %d %s: %s", e.Code, http.StatusText(e.Code), e.Answer)
}

// Retryable is what taskgen's default retry policy asks an error: the receiver's
// troubles (5xx) pass, our own mistakes do not. The exceptions among 4xx ask for
// another try by their meaning.
func (e *StatusError) Retryable() bool {
	switch e.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Code >= 500
}

// A Message is one webhook.
type Message struct {
	ID      string // the same through all attempts
	Headers map[string]string
	Body    []byte
}

// A Sender posts messages. It is safe for use by many goroutines.
type Sender struct {
	Client *http.Client
	Secret webhook.Secret
}

// NewSender returns a sender that does not follow redirects: the signature
// vouches for a message to one receiver and no other.
func NewSender(secret webhook.Secret) *Sender {
	return &Sender{Secret: secret, Client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 16},
		Timeout:   5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// Send signs and posts a message. An answer other than 2xx is a *StatusError.
func (s *Sender) Send(ctx context.Context, url string, m Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	for name, value := range m.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	now := time.Now()
	s.Secret.Sign(req.Header, m.ID, now, m.Body)
	resp, err := s.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // for the error's text only
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &StatusError{
		Code: resp.StatusCode, Answer: string(bytes.TrimSpace(answer)),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now),
	}
}

// retryAfter reads the header: seconds, or the time itself.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
