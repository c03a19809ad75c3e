package runtime_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/generated"
)

const hidden = "hunter2"

// card, purse and ring have the methods that are generated for types with
// secrets.
type card struct {
	Name   string `json:"name,omitempty"`
	Number string `json:"number" task:"secret"`
}

func (t card) LogValue() slog.Value          { return generated.LogValue(t) }
func (t card) Format(f fmt.State, verb rune) { generated.Format(f, verb, t) }
func (t card) MarshalJSON() ([]byte, error) {
	type plain card
	return generated.MarshalJSON(&t, (*plain)(&t))
}

type purse struct {
	Cards []card `json:"cards"`
}

// marshalRedacted is never inlined, for the compiler does not know what it is.
var marshalRedacted func(value, whole any) ([]byte, error)

func init() { marshalRedacted = generated.MarshalJSON }

func (t purse) MarshalJSON() ([]byte, error) {
	type plain purse
	return marshalRedacted(&t, (*plain)(&t))
}

// ring leads back to itself.
type ring struct {
	Key  string  `json:"key" task:"secret"`
	Next []*ring `json:"next"`
}

func (t ring) MarshalJSON() ([]byte, error) {
	type plain ring
	return generated.MarshalJSON(&t, (*plain)(&t))
}

// logged is what slog's JSON handler writes of a value.
func logged(v any) string {
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("", "v", v)
	_, text, _ := strings.Cut(b.String(), `"v":`)
	return strings.TrimSuffix(text, "}\n")
}

// The frame of MarshalRedacted lies between the generated method and what reads the
// stack, and must not be taken for the one that asks: where the compiler inlines it, as
// in card, and where it does not, as in purse.
func TestGeneratedMethodsHideSecretsFromLogsAlone(t *testing.T) {
	c := card{"ann", hidden}
	for _, v := range []any{[]card{c}, purse{[]card{c}}, []*purse{{[]card{c}}}, map[string]any{"k": &c}} {
		assert.Contains(t, logged(v), `{"name":"ann","number":"••••"}`, "%T", v)
		data, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Contains(t, string(data), `{"name":"ann","number":"hunter2"}`, "%T", v)
	}
	assert.Equal(t, `runtime_test.card{name: "ann", number: ••••}`, fmt.Sprint(c))
}

func TestAValueThatLeadsBackToItselfIsNoPayload(t *testing.T) {
	r := &ring{Key: hidden}
	r.Next = []*ring{r}
	_, err := runtime.NewTask(&runtime.Spec[ring]{Type: "t"}, r, driver.SystemClock.Now())
	assert.ErrorIs(t, err, runtime.ErrInvalidTask)
}

// enqueuing is a handler of logs that puts each record on a queue.
type enqueuing struct {
	slog.Handler
	payload []byte
	encoded []byte
}

func (h *enqueuing) Handle(ctx context.Context, r slog.Record) (err error) {
	to := runtime.EnqueuerFunc(func(_ context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		h.payload = tasks[0].Payload
		return make([]runtime.Enqueued, 1), nil
	})
	r.Attrs(func(a slog.Attr) bool {
		p := a.Value.Any().([]purse)[0]
		_, err = runtime.Enqueue(ctx, to, &runtime.Spec[purse]{Type: "t", Queue: "q"}, &p)
		return false
	})
	if err == nil {
		h.encoded, err = json.Marshal(r.NumAttrs())
	}
	return err
}

func TestAHandlerOfLogsThatEnqueuesSendsTheWholeTask(t *testing.T) {
	h := &enqueuing{Handler: slog.NewJSONHandler(io.Discard, nil)}
	p := purse{Cards: []card{{"ann", hidden}}}
	slog.New(h).Info("", "v", []purse{p})
	assert.Equal(t, 1, strings.Count(string(h.payload), hidden))
}

func TestPlainIsWhatTheDefaultCodecEncodes(t *testing.T) {
	type payload struct{ A int }
	v := &payload{1}
	plain := func(*payload) any { return 7 }
	task, err := runtime.NewTask(&runtime.Spec[payload]{Type: "t", Plain: plain}, v, driver.SystemClock.Now())
	require.NoError(t, err)
	assert.Equal(t, "7", string(task.Payload))
	task, err = runtime.NewTask(&runtime.Spec[payload]{Type: "t", Plain: plain, Codec: runtime.JSON}, v, driver.SystemClock.Now())
	require.NoError(t, err)
	assert.Equal(t, `{"A":1}`, string(task.Payload), "a codec of one's own gets the payload")
}

func TestPayloadsOfTasksStayOutOfLogsWhateverIsAroundThem(t *testing.T) {
	task := runtime.Task{ID: "7", Type: "login", Payload: []byte(hidden), MaxRetries: 3}
	coded := base64.StdEncoding.EncodeToString([]byte(hidden))
	info := runtime.TaskInfo{Task: &task, Attempt: 2}
	for _, v := range []any{[]runtime.Task{task}, []*runtime.Task{&task}, driver.Delivery{Task: &task}, map[string]any{"i": info}, struct{ I *runtime.TaskInfo }{&info}} {
		text := logged(v)
		assert.Contains(t, text, `"id":"7"`)
		assert.Contains(t, text, `"payload_bytes":7`)
		assert.NotContains(t, text, coded)
		data, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Contains(t, string(data), coded)
	}
	data, err := json.Marshal(info)
	require.NoError(t, err)
	assert.Contains(t, string(data), `{"ID":"7","Type":"login",`)
	assert.Contains(t, string(data), `"MaxRetries":3,`)
	assert.Contains(t, string(data), `,"Attempt":2,"Crashes":0,"Deadline":"0001-01-01T00:00:00Z"}`)
}

// A task is printed where something goes wrong: without its payload, in which
// secrets are, and as a value or a pointer alike.
func TestPrintedTaskHidesItsPayload(t *testing.T) {
	task := runtime.Task{
		ID: "7", Type: "login", Queue: "q", Payload: []byte(`{"password":"` + hidden + `"}`),
		MaxRetries: 3, RetryCount: 1, Metadata: map[string]string{"k": hidden},
	}
	const shown = `runtime.Task{id: "7", type: "login", queue: "q", retry_count: 1, max_retries: 3, payload_bytes: 22}`
	for _, v := range []any{task, &task, runtime.TaskInfo{Task: &task}} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			assert.Equal(t, shown, fmt.Sprintf(format, v), format)
		}
	}
	assert.Equal(t, "["+shown+"]", fmt.Sprintf("%+v", []*runtime.Task{&task}))
	for _, verb := range []string{"%d", "%x", "%q"} {
		text := fmt.Sprintf(verb, &task)
		assert.NotContains(t, text, hidden)
		assert.NotContains(t, text, fmt.Sprintf("%x", hidden))
		assert.NotContains(t, text, fmt.Sprintf("%d", []byte(hidden))[1:])
	}
	assert.Equal(t, "<nil>", fmt.Sprint((*runtime.Task)(nil)))

	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("it failed", "task", &task)
	assert.Contains(t, logged.String(), "task.id=7 task.type=login task.queue=q task.retry_count=1 task.max_retries=3 task.payload_bytes=22\n")
	assert.NotContains(t, logged.String(), hidden)
}
