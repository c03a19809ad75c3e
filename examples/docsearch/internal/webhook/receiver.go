package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/webhook"
)

// maxBody bounds what the receiver reads of one message.
const maxBody = 1 << 20

// A Receiver is the other side of the demo: a small server on loopback that
// takes webhooks, recognises repetitions, and fails now and then, as receivers
// do. What it answered is in its log, and outlives it.
type Receiver struct {
	URL    string
	secret webhook.Secret
	server *http.Server
	done   chan error

	mu      sync.Mutex
	log     *log
	taken   map[string]bool // ids that were accepted
	refused map[string]bool // ids that were refused once
	known   int             // ids in either
}

// Listen starts a receiver on a free port of 127.0.0.1. Its log is the file at
// logPath; when that is empty it keeps none.
func Listen(secret webhook.Secret, logPath string) (*Receiver, error) {
	r := &Receiver{secret: secret, done: make(chan error, 1), taken: make(map[string]bool), refused: make(map[string]bool)}
	var err error
	r.log, err = openLog(logPath, r.remember)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the webhook receiver: %w", err), r.log.close())
	}
	r.URL = "http://" + listener.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() { r.done <- r.server.Serve(listener) }()
	return r, nil
}

// Close answers the open requests, and ends the server.
func (r *Receiver) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := r.server.Shutdown(ctx)
	if served := <-r.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, r.log.close())
}

// Taken says how many messages were accepted, repetitions not counted, and how
// many of them were refused at first.
func (r *Receiver) Taken() (messages, refusedFirst int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.taken {
		if r.refused[id] {
			refusedFirst++
		}
	}
	return len(r.taken), refusedFirst
}

// ServeHTTP takes one message.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := r.secret.Verify(req.Header, time.Now(), body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	if !json.Valid(body) {
		http.Error(w, "the body is not JSON", http.StatusUnprocessableEntity)
		return
	}
	status, again, err := r.take(id, body)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case status == http.StatusOK:
		fmt.Fprintln(w, "thank you")
	default:
		if again > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(again.Seconds())))
		}
		http.Error(w, "busy, come again", status)
	}
}

// take decides about a message and logs it before it is answered, so that a
// message is never thanked for and forgotten.
func (r *Receiver) take(id string, body []byte) (status int, again time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken[id] {
		return http.StatusOK, 0, nil // had it before: not done twice
	}
	e := Entry{At: time.Now(), ID: id, Status: http.StatusOK, Body: body}
	if !r.refused[id] && r.known%refuseEvery == 0 {
		e.Status, e.Body = http.StatusServiceUnavailable, nil
		if r.known%(2*refuseEvery) != 0 {
			again = time.Second
		}
	}
	if err := r.log.append(e); err != nil {
		return 0, 0, err
	}
	r.remember(e)
	return e.Status, again, nil
}

// refuseEvery is how moody the receiver is: it refuses the first delivery of one
// message in so many, and for every second of those it says when to come again.
const refuseEvery = 4

func (r *Receiver) remember(e Entry) {
	if !r.taken[e.ID] && !r.refused[e.ID] {
		r.known++
	}
	if e.Status == http.StatusOK {
		r.taken[e.ID] = true
	} else {
		r.refused[e.ID] = true
	}
}
