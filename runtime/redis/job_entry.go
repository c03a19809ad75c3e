package redis

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// A storedJob is the content of its entry, below a line with its owner.
type storedJob struct {
	Wake   time.Time       `json:"wake,omitzero"`
	Forget time.Time       `json:"forget,omitzero"`
	Body   json.RawMessage `json:"body"`
}

// jobMillis is a time in milliseconds, rounded up; 0 for none.
func jobMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.Add(time.Millisecond-1).UnixMilli(), 1)
}

// scriptPart returns the first entries, as many as one script writes, with their texts.
// An error is that of all of these.
func scriptPart(es []*jobstore.Entry) (part []*jobstore.Entry, texts []string, err error) {
	size := 0
	for i, e := range es[:min(maxScriptPuts, len(es))] {
		text, bad := encodeEntry(e)
		if bad == nil && strings.ContainsAny(e.Owner, "\x00\x01\n") {
			bad = fmt.Errorf("%w: the owner %q has control characters in it", jobstore.ErrInvalidJob, e.Owner)
		}
		if size += len(text); i > 0 && (bad != nil || size > maxScriptBytes) {
			return es[:i], texts, nil
		}
		texts = append(texts, text)
		if bad != nil {
			return es[:1], texts, fmt.Errorf("job %s: %w", e.ID, bad)
		}
	}
	return es[:len(texts)], texts, nil
}

// The codes of jobs_put.
const (
	jobWritten = iota
	jobMissing
	jobThere
	jobChanged
	jobNoRoom
)

func (s *jobs) same(a, b *jobstore.Entry) bool {
	x, err1 := encodeEntry(a)
	y, err2 := encodeEntry(b)
	return err1 == nil && err2 == nil && x == y
}

func encodeEntry(e *jobstore.Entry) (string, error) {
	body, err := e.BodyData()
	if err != nil {
		return "", err
	}
	if !json.Valid(body) { // of an unreadable job
		if body, err = json.Marshal(string(body)); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(storedJob{e.Wake.UTC(), e.Forget.UTC(), body})
	return e.Owner + "\n" + string(text), err
}

// parseEntries reads ID, version, entry, note and next time of each job.
func parseEntries(list []any) ([]*jobstore.Entry, error) {
	if len(list)%5 != 0 {
		return nil, errReply
	}
	es := make([]*jobstore.Entry, len(list)/5)
	for i := range es {
		part := list[5*i : 5*i+5]
		id, ok1 := part[0].(string)
		text, ok2 := part[2].(string)
		noted, ok3 := part[3].(string)
		version, err := strconv.ParseInt(fmt.Sprint(part[1]), 10, 64)
		if !ok1 || !ok2 || !ok3 || err != nil {
			return nil, errReply
		}
		at, err := strconv.ParseFloat(cmp.Or(fmt.Sprint(part[4]), "0"), 64)
		if err != nil {
			return nil, errReply
		}
		es[i] = parseEntry(jobstore.JobID(id), version, text)
		if ms := int64(at); ms > jobMillis(es[i].Wake) {
			es[i].Leased = time.UnixMilli(ms)
		}
		if len(noted) > noteDigits && json.Unmarshal([]byte(noted[noteDigits:]), &es[i].Noted) != nil {
			es[i].Noted = jobstore.Run{} // as if there were no note
		}
	}
	return es, nil
}

// parseEntry reads what encodeEntry made. For anything else the time is unknown: it is
// long overdue.
func parseEntry(id jobstore.JobID, version int64, text string) *jobstore.Entry {
	owner, rest, ok := strings.Cut(text, "\n")
	var stored storedJob
	if !ok || json.Unmarshal([]byte(rest), &stored) != nil {
		stored = storedJob{Wake: time.Unix(0, 1), Body: []byte(text)}
	}
	e := &jobstore.Entry{ID: id, Version: version, Owner: owner, Wake: stored.Wake, Forget: stored.Forget}
	e.SetBody(stored.Body)
	return e
}
