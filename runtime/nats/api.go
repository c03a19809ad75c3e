package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Headers of JetStream, and of this package.
const (
	headerExpect       = "Nats-Expected-Last-Subject-Sequence"
	headerExpectOn     = "Nats-Expected-Last-Subject-Sequence-Subject"
	headerSchedule     = "Nats-Schedule"
	headerTarget       = "Nats-Schedule-Target"
	headerMsgID        = "Nats-Msg-Id"
	headerRollup       = "Nats-Rollup"
	headerTTL          = "Nats-TTL"
	headerCrashes      = "Taskgen-Crashes"  // crashes of earlier copies of the task
	headerRedriven     = "Taskgen-Redriven" // the dead message from which the task was redriven
	headerReplaces     = "Taskgen-Replaces" // the message that this copy replaces
	maxOriginID        = 512                // most bytes of such a header of ours
	codeWrongSequence  = 10071
	codeNoMessage      = 10037
	codeNoSequence     = 10043
	codeDeleteFailed   = 10057
	codeNoConsumer     = 10014
	codeNoStream       = 10059
	scheduleLayout     = "2006-01-02T15:04:05.999999999Z07:00"
	directLast         = "204"
	farFuture          = 100 * 365 * 24 * time.Hour
	deleteKeepsContent = true
)

// An apiError is a refusal of JetStream.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// Is makes the answers for a missing stream, and of a server that is not ready, the
// contract's errors.
func (e *apiError) Is(target error) bool {
	return target == driver.ErrUnknownQueue && e.ErrCode == codeNoStream || target == driver.ErrUnavailable && temporary(e.Code, e.ErrCode)
}

func (e *apiError) Error() string {
	return fmt.Sprintf("JetStream: %s (%d, %d)", e.Description, e.Code, e.ErrCode)
}

func codeOf(err error) int {
	var e *apiError
	if errors.As(err, &e) {
		return e.ErrCode
	}
	return 0
}

// A guard makes the server refuse a message unless the last message whose subject
// matches a pattern has the given sequence; 0: unless there is no such message.
type guard struct {
	pattern string
	seq     uint64
}

// publish is a request to store a message. Header may be nil.
func publish(subject string, data []byte, g guard, header nats.Header) *request {
	return &request{subject: subject, data: data, guard: g, header: header}
}

// headers makes the headers of one request after another, in the same memory.
type headers struct {
	all    nats.Header
	expect []string
	on     []string
}

func newHeaders() *headers {
	return &headers{make(nats.Header, 4), make([]string, 1), make([]string, 1)}
}

// of returns the headers of a request, which are valid until the next call.
func (h *headers) of(r *request) nats.Header {
	if r.guard.pattern == "" {
		return r.header
	}
	clear(h.all)
	maps.Copy(h.all, r.header)
	h.expect[0] = strconv.FormatUint(r.guard.seq, 10)
	h.all[headerExpect] = h.expect
	if r.guard.pattern != r.subject {
		h.on[0] = r.guard.pattern
		h.all[headerExpectOn] = h.on
	}
	return h.all
}

// scheduled adds to header what makes a message fire at a time, to a target. The
// client's own helper cuts to whole seconds, which fires early.
func scheduled(header nats.Header, at time.Time, target string) nats.Header {
	if header == nil {
		header = make(nats.Header, 4)
	}
	header[headerSchedule] = []string{"@at " + at.UTC().Format(scheduleLayout)}
	header[headerTarget] = []string{target}
	return header
}

// ack reads the answer to a publish: the sequence under which the message is stored, or
// was stored earlier under its Nats-Msg-Id.
func (r *request) ack() (seq uint64, err error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.reply == nil {
		return 0, errNoAnswer
	}
	data := r.reply.Data
	if !bytes.Contains(data, []byte(`"error"`)) {
		if _, rest, ok := bytes.Cut(data, []byte(`"seq":`)); ok {
			for _, c := range bytes.TrimLeft(rest, " ") {
				if c < '0' || c > '9' {
					break
				}
				seq = seq*10 + uint64(c-'0')
			}
			return seq, nil
		}
	}
	return 0, r.into(nil)
}

// into decodes an answer of JetStream's API.
func (r *request) into(v any) error {
	if r.err != nil {
		return r.err
	}
	if r.reply == nil {
		return errNoAnswer
	}
	var head struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(r.reply.Data, &head); err != nil {
		return fmt.Errorf("JetStream answers %q: %w", r.reply.Data, err)
	}
	if head.Error != nil {
		return head.Error
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(r.reply.Data, v)
}

// apiRequest is a request to JetStream's API.
func (w *requester) apiRequest(subject string, body any) *request {
	data, _ := json.Marshal(body) // plain values: it cannot fail
	return &request{subject: w.api + subject, data: data}
}

// callAPI makes one request to the API.
func (w *requester) callAPI(ctx context.Context, subject string, body, answer any) error {
	r := w.apiRequest(subject, body)
	if err := w.roundTrip(ctx, []*request{r}, nil); err != nil && r.reply == nil {
		return err
	}
	return r.into(answer)
}

// remove is a request to delete one message.
func (w *requester) remove(stream string, seq uint64) *request {
	return w.apiRequest("STREAM.MSG.DELETE."+stream, map[string]any{"seq": seq, "no_erase": deleteKeepsContent})
}

// removed reads the answer to remove: whether this request deleted the message.
func (r *request) removed() (bool, error) {
	switch err := r.into(nil); codeOf(err) {
	case codeNoMessage, codeNoSequence, codeDeleteFailed:
		return false, nil
	default:
		return err == nil, err
	}
}

// A stored message is a message in a stream.
type stored struct {
	seq     uint64
	subject string
	data    []byte
	header  nats.Header
	at      time.Time // when it was stored
}

// copied are the headers that a copy of a message keeps.
func copied(h nats.Header) nats.Header {
	c := make(nats.Header, 4)
	for _, key := range [...]string{headerCrashes, headerRedriven, headerReplaces} {
		if v := h[key]; len(v) > 0 && len(v[0]) <= maxOriginID { // a longer one is not ours
			c[key] = v[:1]
		}
	}
	return c
}

// crashes is the task's crashes before this copy of it was stored.
func crashes(h nats.Header) int {
	n, _ := strconv.Atoi(h.Get(headerCrashes))
	return n
}

// last is a request for the last message that matches a pattern. The stream's leader
// answers it, and has seen everything that was acknowledged; a direct get may be
// answered by a replica that has not.
func (w *requester) last(stream, pattern string) *request {
	return w.get(stream, map[string]any{"last_by_subj": pattern})
}

// next is a request for the first message from a sequence on that matches a pattern,
// also answered by the leader.
func (w *requester) next(stream, pattern string, seq uint64) *request {
	return w.get(stream, map[string]any{"seq": max(seq, 1), "next_by_subj": pattern})
}

func (w *requester) get(stream string, body map[string]any) *request {
	r := w.apiRequest("STREAM.MSG.GET."+stream, body)
	r.brings = 1
	return r
}

// message reads the answer to last and next: nil if there is none.
func (r *request) message() (*stored, error) {
	var a struct {
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := r.into(&a); err != nil {
		if codeOf(err) == codeNoMessage {
			return nil, nil
		}
		return nil, err
	}
	m := &stored{seq: a.Message.Seq, subject: a.Message.Subject, data: a.Message.Data, at: a.Message.Time}
	if h, err := nats.DecodeHeadersMsg(a.Message.Header); err == nil { // unreadable headers are not ours
		m.header = h
	}
	return m, nil
}

// page returns messages from a sequence on that match a pattern by one direct get: up
// to n, and no more bytes than may be on their way at a time. more says that there are
// others.
func (w *requester) page(ctx context.Context, stream, pattern string, seq uint64, n int) (all []*stored, more bool, err error) {
	all, more, err = w.read(ctx, stream, pattern, seq, n)
	return all, more, unavailable(err)
}

func (w *requester) read(ctx context.Context, stream, pattern string, seq uint64, n int) (all []*stored, more bool, err error) {
	inbox := w.nc.NewInbox()
	ch := make(chan *nats.Msg, n+8)
	sub, err := w.nc.ChanSubscribe(inbox, ch)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	most := w.byteBudget.pageLimit()
	weight := most + w.largest() // the server stops when it has sent that much, or more
	if err := w.byteBudget.acquire(ctx, weight); err != nil {
		return nil, false, err
	}
	defer w.byteBudget.release(weight)
	body, _ := json.Marshal(map[string]any{"seq": max(seq, 1), "next_by_subj": pattern, "batch": n, "max_bytes": most})
	gone, before := w.disconnected(), w.nc.LastError()
	w.requests.Add(1)
	subject := w.api + "DIRECT.GET." + stream
	if err := w.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: inbox, Data: body}); err != nil {
		return nil, false, err
	}
	timer := time.NewTimer(shortWait)
	defer timer.Stop()
	for quiet := shortWait; ; quiet += shortWait {
		select {
		case m := <-ch:
			timer.Reset(shortWait)
			quiet = 0
			switch status := m.Header.Get("Status"); {
			case m.Header.Get("Nats-Sequence") != "":
				s, err := direct(m)
				if err != nil {
					return nil, false, err
				}
				all = append(all, s)
			case len(m.Data) > 0:
				// Unreadable headers: a worker removes it.
			case status == directLast:
				left, _ := strconv.Atoi(m.Header.Get("Nats-Num-Pending"))
				return all, left > 0, nil
			case status == "404":
				return all, false, nil
			default:
				return nil, false, fmt.Errorf("%w: a direct get from stream %s: %s %s", errNoAnswer, stream, status, m.Header.Get("Description"))
			}
		case <-gone:
			return nil, false, w.connError()
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-timer.C:
			timer.Reset(shortWait)
			if err := w.refusal(before, subject); err != nil {
				return nil, false, err
			}
			if w.probe(); quiet >= answerWait {
				return nil, false, errNoAnswer
			}
		}
	}
}

// direct reads one message of a direct get.
func direct(m *nats.Msg) (*stored, error) {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("a direct get: the sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return nil, fmt.Errorf("a direct get: the time: %w", err)
	}
	return &stored{seq: seq, subject: m.Header.Get("Nats-Subject"), data: m.Data, header: m.Header, at: at}, nil
}

// A consumerState is the part of a consumer's state that we need.
type consumerState struct {
	Delivered struct {
		Stream uint64 `json:"stream_seq"`
	} `json:"delivered"`
	// AckFloor: all that the consumer has delivered up to here is acknowledged.
	AckFloor struct {
		Stream uint64 `json:"stream_seq"`
	} `json:"ack_floor"`
	AckPending int64  `json:"num_ack_pending"`
	Pending    uint64 `json:"num_pending"`
	Paused     bool   `json:"paused"`
	Config     struct {
		AckWait    time.Duration `json:"ack_wait"`
		Filter     string        `json:"filter_subject"`
		Filters    []string      `json:"filter_subjects"`
		PauseUntil time.Time     `json:"pause_until"`
	} `json:"config"`
}

func (w *requester) info(stream, consumer string) *request {
	return w.apiRequest("CONSUMER.INFO."+stream+"."+consumer, struct{}{})
}

// infos requests the state of consumers.
func (w *requester) infos(ctx context.Context, stream string, consumers ...string) ([]consumerState, error) {
	rs := make([]*request, len(consumers))
	for i, c := range consumers {
		rs[i] = w.info(stream, c)
	}
	if err := w.roundTrip(ctx, rs, nil); err != nil {
		return nil, err
	}
	all := make([]consumerState, len(rs))
	for i, r := range rs {
		if err := r.into(&all[i]); err != nil {
			return nil, fmt.Errorf("consumer %s of stream %s: %w", consumers[i], stream, err)
		}
	}
	return all, nil
}

// purge removes all messages of one place, and returns how many there were.
func (w *requester) purge(ctx context.Context, stream, pattern string) (int, error) {
	var a struct {
		Purged int `json:"purged"`
	}
	err := w.callAPI(ctx, "STREAM.PURGE."+stream, map[string]any{"filter": pattern}, &a)
	return a.Purged, err
}
