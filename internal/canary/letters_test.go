package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
)

func (w *walk) box(name string) *dlq.Box {
	w.Helper()
	box, err := dlq.Open(w.m, name, dlq.Config{Router: w.router, Provider: w.provider})
	require.NoError(w, err)
	return box
}

func (w *walk) readLetters() {
	w.lookAt(w.box(queue), len(dying)+len(misfits))
	w.lookAt(w.box(lanes), 1)
	page, _, err := w.box(queue).List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	for _, l := range page {
		_, err := w.results.Await(w.ctx, l.ID)
		require.ErrorIs(w, err, runtime.ErrTaskFailed)
		w.look(errorText, err.Error())
	}
}

// lookAt reads a box in all ways.
func (w *walk) lookAt(box *dlq.Box, want int) {
	w.Helper()
	page, _, err := box.List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	require.Len(w, page, want)
	groups, err := box.Groups(w.ctx, dlq.Filter{})
	require.NoError(w, err)
	w.look(letters, fmt.Sprintf("%+v %+v", page, groups))
	for _, l := range page {
		shown, err := box.Show(w.ctx, l.ID)
		require.NoError(w, err)
		text, err := json.Marshal(shown)
		require.NoError(w, err)
		w.look(letters, string(text)+fmt.Sprintf("%+v", shown))
		w.log.Info("a letter", "letter", shown)
	}
	var out bytes.Buffer
	_, err = box.Export(w.ctx, dlq.Filter{}, &out)
	require.NoError(w, err)
	w.look(export, out.String())
	for _, secret := range secrets {
		for _, f := range []dlq.Filter{{Text: secret}, {Reason: secret}, {Text: secret[:len(secret)-2]}} {
			found, _, err := box.List(w.ctx, f, "", 100)
			require.NoError(w, err)
			require.Empty(w, found, "a search for %q finds who has it", f)
		}
	}
}

func (w *walk) letterOf(order string) dlq.Letter {
	w.Helper()
	page, _, err := w.box(queue).List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	for _, l := range page {
		if l.Metadata["order"] == order {
			return l
		}
	}
	w.Fatalf("there is no letter of the order %s", order)
	return dlq.Letter{}
}

func (w *walk) edit() {
	l, box := w.letterOf("edited"), w.box(queue)
	if w.encrypted {
		err := box.RedriveEdited(w.ctx, l.ID, []byte(fmt.Sprintf(`{"card":%q}`, secrets[0])))
		require.ErrorIs(w, err, runtime.ErrUnsupported)
		w.look(edits, err.Error())
		return
	}
	shown := string(l.Payload)
	for _, bad := range []string{
		fmt.Sprintf(`{"card":%s}`, secrets[1]), fmt.Sprintf(`{"card":"%[1]s%[1]s%[1]s"}`, secrets[0]), fmt.Sprintf(`{"born":%q}`, secrets[3]),
		fmt.Sprintf(`{"card":%s}`, secrets[0]), fmt.Sprintf(`{"to":[{"iban":"no %s"}]}`, secrets[2]), fmt.Sprintf(`{"to":{%q:1}}`, secrets[2]),
		fmt.Sprintf(`{"to":[{"iban":{%q:1}}]}`, secrets[2]), fmt.Sprintf(`{"card":{%q:"••••"}}`, secrets[0]),
		strings.Replace(shown, `"ann"`, `"bob"`, 1), strings.Replace(shown, `"card"`, `"kard"`, 1), `{"to":[{"name":"cy","iban":"••••"}]}`,
	} {
		err := box.RedriveEdited(w.ctx, l.ID, []byte(bad))
		require.ErrorIs(w, err, dlq.ErrInvalidPayload, bad)
		w.look(edits, err.Error())
	}
	for _, misfit := range []string{"old-object", "old-own", "old-time", "old-number"} {
		bad, err := box.Show(w.ctx, misfit)
		require.NoError(w, err)
		if err := box.RedriveEdited(w.ctx, misfit, bad.Payload); err != nil {
			w.look(edits, err.Error())
		}
	}
	// Ann is taken out of the list.
	var v map[string]any
	require.NoError(w, json.Unmarshal(l.Payload, &v))
	v["to"] = v["to"].([]any)[1:]
	v["order"] = "good, edited"
	edited, err := json.Marshal(v)
	require.NoError(w, err)
	require.NoError(w, box.RedriveEdited(w.ctx, l.ID, edited))
	w.drain()
	got := w.paid["good, edited"]
	require.Equal(w, secrets[0], got.Card)
	require.Equal(w, []receiver{{"bob", iban(secrets[2] + "2")}}, got.To, "each secret stays with whom it belongs to")
}

// counted tells of the tasks that are put into a store.
type counted struct {
	dlq.TaskStore
	put chan int
}

func (c *counted) Put(ctx context.Context, tasks []*runtime.Task) error {
	err := c.TaskStore.Put(ctx, tasks)
	if err == nil {
		c.put <- len(tasks)
	}
	return err
}

// process has a processor take what is dead, tell of it by webhook and by log, and
// reads it where it lies then.
func (w *walk) process() {
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.look(webhook, fmt.Sprint(r.URL, r.Header, string(body)))
	}))
	defer hook.Close()
	client := hook.Client()
	defer client.CloseIdleConnections()
	post := &dlq.Webhook{URL: hook.URL, Client: client}
	tell := dlq.NotifierFunc(func(ctx context.Context, n dlq.Notice) error {
		w.look(webhook, n.Text())
		return errors.Join(dlq.Log(w.log).Notify(ctx, n), post.Notify(ctx, n))
	})

	left, _, err := w.box(queue).List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: w.listeners()})
	require.NoError(w, m.Open(w.ctx, w.provider, runtime.QueueConfig{Name: queue + "-dlq"}))
	defer func() { require.NoError(w, m.Close()) }()
	store := &counted{w.letters, make(chan int, 100)}
	p, err := dlq.NewProcessor(m, queue+"-dlq", dlq.ProcessorConfig{Store: store, Notifier: tell, Logger: w.log})
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(w.ctx)
	over := make(chan error, 1)
	go func() { over <- p.Run(ctx) }()
	for n := 0; n < len(left); {
		select {
		case put := <-store.put:
			n += put
		case <-w.ctx.Done():
			w.Fatalf("%d of %d letters were stored", n, len(left))
		}
	}
	cancel()
	require.NoError(w, <-over)

	kept := dlq.OpenStore(w.m, w.letters, dlq.Config{Router: w.router})
	w.lookAt(kept, len(left))
	w.failing = false
	done, err := kept.Redrive(w.ctx, dlq.Redrive{IDs: []string{w.stored(kept, "kept")}})
	require.NoError(w, err)
	require.Equal(w, 1, done.Moved)
	delete(w.paid, "kept")
	w.drain()
	require.Equal(w, paymentOf("kept").To, w.paid["kept"].To, "a redriven task is read")
}

func (w *walk) stored(box *dlq.Box, order string) string {
	w.Helper()
	page, _, err := box.List(w.ctx, dlq.Filter{}, "", 100)
	require.NoError(w, err)
	for _, l := range page {
		if l.Metadata["order"] == order {
			return l.ID
		}
	}
	w.Fatalf("the store has no letter of the order %s", order)
	return ""
}
