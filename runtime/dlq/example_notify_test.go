package dlq_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/webhook"
)

// Notices are posted to a URL, signed with a secret that the receiver shares. A processor
// has the webhook for its Notifier.
func ExampleWebhook() {
	secret := webhook.NewSecret()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if _, err := secret.Verify(r.Header, time.Now(), body); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		var notice struct{ Text string }
		if err := json.Unmarshal(body, &notice); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Println(notice.Text)
	}))
	defer receiver.Close()

	var notifier dlq.Notifier = &dlq.Webhook{URL: receiver.URL, Secret: secret}
	if err := notifier.Notify(context.Background(), dlq.Notice{Queue: "mail-dlq", Count: 2}); err != nil {
		log.Fatal(err)
	}
	// Output: 2 dead on mail-dlq
}

// Where a log is watched already, notices may go there.
func ExampleLog() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{} // for an output that is always the same
			}
			return a
		},
	}))
	err := dlq.Log(logger).Notify(context.Background(), dlq.Notice{Queue: "mail-dlq", Count: 2, Groups: []dlq.Group{
		{ID: "7f3a", Type: "login", Pattern: "the mail server is down", Count: 2, Example: "ada"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// level=ERROR msg="tasks are dead" queue=mail-dlq type=login count=2 group=7f3a pattern="the mail server is down" example=ada
}
