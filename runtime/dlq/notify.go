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

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/webhook"
)

// A Notice says that tasks have died. It holds no payloads; of their errors it holds
// what they have in common.
type Notice struct {
	Queue  string  `json:"queue"`  // the dead letter queue
	Count  int     `json:"count"`  // how many have died since the last notice; one may be counted twice
	Groups []Group `json:"groups"` // by what failed, the largest first, up to 100
}

// Text is the notice for people, in some lines.
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

// A Notifier tells people of dead tasks.
type Notifier interface {
	// Notify tells of them. After an error the processor tries again later, with what
	// has died meanwhile.
	Notify(ctx context.Context, n Notice) error
}

// NotifierFunc makes a function a Notifier.
type NotifierFunc func(ctx context.Context, n Notice) error

// Notify calls f.
func (f NotifierFunc) Notify(ctx context.Context, n Notice) error { return f(ctx, n) }

// Log returns a notifier that writes to a log: a record at level error for each
// group, with the message "tasks are dead". Nil: to slog.Default, as it is then.
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
// "text", where incoming webhooks of Slack and those made like them look for it.
//
// With a Secret each request is signed by the scheme of Standard Webhooks: it says when
// it was made and proves by whom, so that the receiver can refuse others' requests and
// old ones. Secret.Verify of package webhook checks that.
//
// Redirects are not followed, whatever Client says of them: they would lose the notice, or
// take it and its signature to a host that nobody named. They are errors.
type Webhook struct {
	URL string
	// Secret is the key, as bytes, or as it is handed to people: "whsec_" and base64.
	// Empty: nothing is signed.
	Secret []byte
	// Client makes the requests. Nil: one that gives up after 10 s.
	Client *http.Client
}

// LogValue is the webhook as a log may show it: its host, and whether it signs.
func (w Webhook) LogValue() slog.Value {
	host := "an invalid URL"
	if u, err := url.Parse(w.URL); err == nil {
		host = u.Host
	}
	return slog.GroupValue(slog.String("host", host), slog.Bool("signed", len(w.Secret) > 0))
}

// String is what LogValue shows, as text.
func (w Webhook) String() string { return fmt.Sprintf("dlq.Webhook%v", w.LogValue()) }

// Format prints what String returns, whatever the verb.
func (w Webhook) Format(f fmt.State, verb rune) { runtime.FormatRedacted(f, verb, w) }

// MarshalJSON writes all fields that can be, but for a log what LogValue shows.
func (w Webhook) MarshalJSON() ([]byte, error) {
	type plain struct {
		URL    string
		Secret []byte
	}
	return runtime.MarshalRedacted(&w, plain{w.URL, w.Secret})
}

var webhookClient = &http.Client{Timeout: 10 * time.Second}

// client makes the requests of the webhook.
func (w *Webhook) client() *http.Client {
	c := *cmp.Or(w.Client, webhookClient)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// sign adds what proves who made a request.
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

// Notify implements [Notifier]. Any answer but one of the 200s is an error.
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
		return unnamed("make a request for the webhook", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := w.sign(req.Header, body); err != nil {
		return err
	}
	resp, err := w.client().Do(req)
	if err != nil {
		return unnamed("post to the webhook", err)
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

// unnamed is an error without the URL: the path of a webhook is its key.
func unnamed(what string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// slackText keeps errors from being read as Slack's own marks.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
