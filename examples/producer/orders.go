package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/taskgen/taskgen/runtime"

	"github.com/taskgen/taskgen/examples/shop/tasks"
)

// orders enqueues what is to be done about the orders that come.
type orders struct{ enqueuer runtime.Enqueuer }

// take answers 202 once the task cannot be lost any more. A client that gets no answer, or
// 503, sends the order again: the queue knows it, if it is there.
func (o *orders) take(w http.ResponseWriter, r *http.Request) {
	var order tasks.ConfirmOrderTask
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&order); err != nil {
		http.Error(w, "an order is JSON with order and email", http.StatusBadRequest)
		return
	}
	answer, err := tasks.EnqueueConfirmOrder(r.Context(), o.enqueuer, order)
	switch {
	case errors.Is(err, runtime.ErrInvalidTask):
		http.Error(w, "an order has a number and an email", http.StatusBadRequest)
	case err != nil:
		slog.ErrorContext(r.Context(), "an order is not enqueued", "order", order, "error", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "try again", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]any{"task": answer.ID, "duplicate": answer.Duplicate}) // fails only if the client is gone
	}
}
