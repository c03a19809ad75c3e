//go:build unix

package shop

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mails is the mail service of a test. While it is held, it takes mails and does not answer.
type mails struct {
	*httptest.Server
	held chan struct{} // gets one for each mail that is held

	mu   sync.Mutex
	open chan struct{}     // closed when mails are answered
	sent map[string]int    // how often each was, by its ID
	what map[string]string // its subject
	more chan struct{}     // closed when one was sent
}

func startMails(t *testing.T) *mails {
	t.Helper()
	m := &mails{
		held: make(chan struct{}, 1000), open: make(chan struct{}), more: make(chan struct{}),
		sent: make(map[string]int), what: make(map[string]string),
	}
	m.Server = httptest.NewServer(http.HandlerFunc(m.take))
	t.Cleanup(m.Close)
	t.Cleanup(m.release)
	return m
}

// release answers all mails from now on.
func (m *mails) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.open:
	default:
		close(m.open)
	}
}

func (m *mails) take(w http.ResponseWriter, r *http.Request) {
	var one struct{ ID, Subject string }
	if err := json.NewDecoder(r.Body).Decode(&one); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-m.open:
	default:
		m.held <- struct{}{}
		<-m.open
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[one.ID]++
	m.what[one.ID] = one.Subject
	close(m.more)
	m.more = make(chan struct{})
}

// await waits until n mails were sent, and returns how often each was, and what it is about.
func (m *mails) await(t *testing.T, n int) (sent map[string]int, what map[string]string) {
	t.Helper()
	limit := time.After(patience)
	for {
		m.mu.Lock()
		sent, what, more := maps.Clone(m.sent), maps.Clone(m.what), m.more
		m.mu.Unlock()
		if len(sent) >= n {
			return sent, what
		}
		select {
		case <-more:
		case <-limit:
			require.FailNow(t, "mails are missing", "%d of %d were sent: %v", len(sent), n, what)
		}
	}
}
