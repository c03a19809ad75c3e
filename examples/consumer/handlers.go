package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/taskgen/taskgen/runtime"

	"github.com/taskgen/taskgen/examples/shop/tasks"
)

// handlers do the work. A task may come twice, after a crash, say: the mail service knows a
// mail by its ID, and sends it once.
type handlers struct{ mail mailer }

func (h *handlers) HandleConfirmOrder(ctx context.Context, t tasks.ConfirmOrderTask) error {
	return h.mail.send(ctx, mail{To: t.Email, Subject: fmt.Sprintf("We have your order %d", t.Order)})
}

func (h *handlers) HandleSalesReport(ctx context.Context, _ tasks.SalesReportTask) error {
	return h.mail.send(ctx, mail{To: "owner@shop.example", Subject: "Sales of yesterday"})
}

// A mail is what the mail service is asked to send.
type mail struct {
	ID      string `json:"id"`
	To      string `json:"to"`
	Subject string `json:"subject"`
}

// A mailer has mails sent by the service at a URL. Without one it logs them.
type mailer struct{ url string }

func (m mailer) send(ctx context.Context, one mail) error {
	task, _ := runtime.TaskFromContext(ctx)
	one.ID = task.ID
	if m.url == "" {
		slog.InfoContext(ctx, "a mail", "subject", one.Subject)
		return nil
	}
	body, err := json.Marshal(one)
	if err != nil {
		return runtime.Skip(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(body))
	if err != nil {
		return runtime.Skip(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("the mail service answers %s", answer.Status) // is retried
	case answer.StatusCode >= 400:
		return runtime.Skip(fmt.Errorf("the mail service refuses the mail: %s", answer.Status))
	}
	slog.InfoContext(ctx, "a mail is sent", "subject", one.Subject)
	return nil
}
