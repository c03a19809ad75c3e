package canary

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A place is where a secret might turn up.
type place string

// The places. Those of rest are what lies on disks and servers, with all that is
// stored beside payloads.
const (
	logs       place = "a log"
	errorText  place = "the text of an error"
	deadMeta   place = "metadata and keys of tasks, dead or alive"
	letters    place = "letters that were listed, shown and grouped"
	export     place = "an export of letters"
	edits      place = "the error of an edit that was refused"
	webhook    place = "the notice that a webhook gets"
	jobPrints  place = "jobs as they are printed"
	jobError   place = "what the status of a job says"
	progress   place = "the progress that a job shows"
	jobAtRest  place = "a job as its store has it"
	resultRest place = "a result as its store has it"
	deadAtRest place = "the payload of a dead task, as it lies"
	rest       place = "all that lies on the disk or the server"

	payloadView place = "payloads as tools without the code show and check them"
)

// places are all of them: those of the outlets, too.
func places() []place {
	all := []place{
		logs, errorText, deadMeta, letters, export, edits, webhook, jobPrints, jobError, progress, jobAtRest, resultRest, deadAtRest, rest, payloadView,
	}
	for _, o := range outlets {
		all = append(all, o.place)
	}
	return all
}

// mayShow has the places where a secret may lie in clear, by whether there is a key
// ring: payloads, results and jobs, as they are stored. It may be in no other place.
var mayShow = map[bool][]place{
	false: {jobAtRest, resultRest, deadAtRest, rest},
	true:  {},
}

// secrets are the canaries: a text, a number, and one in a list.
var secrets = []string{"canary-7Qx9-card", "815162342918273", "canary-7Qx9-iban", "canary-7Qx9-born", "canary-7Qx9-note"}

// forms are how a text may be written down.
func forms(secret string) []string {
	all := []string{
		secret, strings.ToUpper(secret), hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
		strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
	}
	for shift := range 3 { // base64 of a longer text that it stands in
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("_", shift) + secret))
		text = strings.TrimRight(text, "=")
		first := []int{0, 2, 3}[shift]
		all = append(all, text[first:len(text)-1])
	}
	return all
}

// A sighting is a secret in a place.
type sighting struct {
	secret string
	text   string // what stands around it
}

// A lookout looks for secrets in all that it is shown.
type lookout struct {
	mu     sync.Mutex
	looked map[place]int // bytes
	seen   map[place][]sighting
}

func newLookout() *lookout {
	return &lookout{looked: make(map[place]int), seen: make(map[place][]sighting)}
}

func (l *lookout) look(at place, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looked[at] += len(text)
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			if i := strings.Index(text, form); i >= 0 {
				l.seen[at] = append(l.seen[at], sighting{secret, text[max(0, i-80):min(len(text), i+80)]})
				break
			}
		}
	}
}

// Write makes a lookout the place of a log.
func (l *lookout) Write(p []byte) (int, error) {
	l.look(logs, string(p))
	return len(p), nil
}

// judge fails where a secret is in a place where it may not be, where one was looked
// for in nothing, and where none was found that must be there: then the search is
// blind. Nothing is looked for in the places that are unvisited.
func (l *lookout) judge(t *testing.T, encrypted bool, unvisited ...place) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range places() {
		if slices.Contains(unvisited, at) {
			continue
		}
		if l.looked[at] == 0 {
			t.Errorf("nothing was looked at in %s", at)
		}
		allowed := slices.Contains(mayShow[encrypted], at)
		if allowed && len(l.seen[at]) == 0 {
			t.Errorf("there is no secret in %s, where one lies for sure: the search is blind", at)
		}
		for i, s := range l.seen[at] {
			if !allowed && i < 5 {
				t.Errorf("%q is in %s: …%q…", s.secret, at, s.text)
			}
		}
	}
}

func TestLookoutSeesASecretInEachForm(t *testing.T) {
	for _, secret := range secrets {
		for _, text := range []string{
			secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprint([]byte(secret)), fmt.Sprintf("%q", secret),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(`{"a":"` + secret + `","b":1}`)),
			base64.RawURLEncoding.EncodeToString([]byte("x" + secret + "y")),
		} {
			l := newLookout()
			l.look(logs, "before "+text+" after")
			if len(l.seen[logs]) == 0 {
				t.Errorf("%q is not seen in %q", secret, text)
			}
		}
	}
}
