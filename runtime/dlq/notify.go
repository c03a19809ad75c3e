package dlq

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/webhook"
)

// A Notice says that tasks have died. It contains no payloads, and of their errors only
// the common part.
type Notice struct {
	Queue  string  `json:"queue"`  // the dead letter queue
	Count  int     `json:"count"`  // how many have died since the last notice; one may be counted twice
	Groups []Group `json:"groups"` // by what failed, the largest first, up to 100
}

// Text is the notice as a few lines of text.
func (n *Notice) Text() string {
	const shown = 10
	var b strings.Builder
	fmt.Fprintf(&b, "%d dead on %s", n.Count, n.Queue)
	for i, g := range n.Groups {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more kinds of failure", len(n.Groups)-shown)
			break
		}
		fmt.Fprintf(&b, "\n%d × %s: %s (%s, such as %s)", g.Count, g.Type, g.Pattern, g.ID, g.Example)
	}
	return b.String()
}

// A Notifier tells people about dead tasks.
type Notifier interface {
	// Notify sends a notice. After an error the processor tries again later and includes
	// the tasks that have died meanwhile.
	Notify(ctx context.Context, n Notice) error
}

// NotifierFunc adapts a function to a Notifier.
type NotifierFunc func(ctx context.Context, n Notice) error

// Notify calls f.
func (f NotifierFunc) Notify(ctx context.Context, n Notice) error { return f(ctx, n) }

// Log returns a notifier that writes to a log: a record at level error for each group,
// with the message "tasks are dead". Nil: slog.Default at that time.
func Log(log *slog.Logger) Notifier {
	return NotifierFunc(func(ctx context.Context, n Notice) error {
		for _, g := range n.Groups {
			cmp.Or(log, slog.Default()).LogAttrs(ctx, slog.LevelError, "tasks are dead",
				slog.String("queue", n.Queue), slog.String("type", g.Type), slog.Int("count", g.Count),
				slog.String("group", g.ID), slog.String("pattern", g.Pattern), slog.String("example", g.Example))
		}
		return nil
	})
}

// A Webhook is a notifier that posts JSON to a URL: the notice, with its Text under
// "text", the key that Slack's incoming webhooks and compatible ones read.
//
// With a Secret each request is signed by the scheme of Standard Webhooks. The signature
// proves the sender and the time of the request, so that the receiver can refuse forged
// and old requests. Secret.Verify of package webhook checks it.
//
// A redirect is an error, whatever the policy of Client: following it would lose the
// notice, or send it and its signature to a host that was not configured.
type Webhook struct {
	URL string
	// Secret is the key, as bytes or in its text form: "whsec_" and base64. Empty:
	// requests are not signed.
	Secret []byte
	// Client makes the requests. Nil: a client with a timeout of 10 s.
	Client *http.Client
}

// LogValue is the webhook for a log: its host, and whether it signs.
func (w Webhook) LogValue() slog.Value {
	host := "an invalid URL"
	if u, err := url.Parse(w.URL); err == nil {
		host = u.Host
	}
	return slog.GroupValue(slog.String("host", host), slog.Bool("signed", len(w.Secret) > 0))
}

// String returns LogValue as text.
func (w Webhook) String() string { return fmt.Sprintf("dlq.Webhook%v", w.LogValue()) }

// Format prints the String of w, whatever the verb.
func (w Webhook) Format(f fmt.State, verb rune) { generated.Format(f, verb, w) }

// MarshalJSON writes URL and Secret, except for a log, where it writes LogValue.
func (w Webhook) MarshalJSON() ([]byte, error) {
	type plain struct {
		URL    string
		Secret []byte
	}
	return generated.MarshalJSON(&w, plain{w.URL, w.Secret})
}

var webhookClient = &http.Client{Timeout: 10 * time.Second}

// client makes the requests of the webhook.
func (w *Webhook) client() *http.Client {
	c := *cmp.Or(w.Client, webhookClient)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// sign adds the headers that prove the sender of a request.
func (w *Webhook) sign(h http.Header, body []byte) error {
	if len(w.Secret) == 0 {
		return nil
	}
	secret := webhook.Secret(w.Secret)
	if text := string(w.Secret); strings.HasPrefix(text, "whsec_") {
		var err error
		if secret, err = webhook.ParseSecret(text); err != nil {
			return err
		}
	}
	secret.Sign(h, "msg_"+rand.Text(), time.Now(), body)
	return nil
}

// Notify implements [Notifier]. Any status outside of 200 to 299 is an error.
func (w *Webhook) Notify(ctx context.Context, n Notice) error {
	body, err := json.Marshal(struct {
		Text string `json:"text"`
		Notice
	}{slackText.Replace(n.Text()), n})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return withoutURL("make a request for the webhook", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := w.sign(req.Header, body); err != nil {
		return err
	}
	resp, err := w.client().Do(req)
	if err != nil {
		return withoutURL("post to the webhook", err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))                   // read, so that the connection can be used again
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 { // said has its path
		return fmt.Errorf("the webhook at %s answered %s, and redirects are not followed: name the URL at %s://%s itself", req.URL.Host, resp.Status, to.Scheme, to.Host)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook at %s answered %s: %s", req.URL.Host, resp.Status, said)
	}
	return nil
}

// withoutURL removes the URL from an error: the path of a webhook is its key.
func withoutURL(what string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// slackText escapes characters that Slack reads as markup.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
