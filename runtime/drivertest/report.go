package drivertest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Report is the result of Run for one provider: a column of the table of laws.
type Report struct {
	Provider string `json:"provider"`
	// Types of queues that the harness could open.
	Types []driver.QueueType `json:"types"`
	// Capabilities of a queue of the harness's Type.
	Capabilities driver.Capabilities `json:"capabilities"`
	Laws         []LawReport         `json:"laws"`
}

// A LawReport is how well a provider keeps one law.
type LawReport struct {
	Law       Law       `json:"law"`
	Text      string    `json:"text"`
	Status    Status    `json:"status"`
	Downgrade string    `json:"downgrade,omitempty"` // the reason
	Tests     int       `json:"tests"`               // how many ran
	Failed    []string  `json:"failed,omitempty"`
	LeftOut   []LeftOut `json:"left_out,omitempty"`
}

// LeftOut is a test that was not run, with the reason.
type LeftOut struct {
	Test     string `json:"test"`
	Needs    string `json:"needs"`
	Why      string `json:"why"`
	Optional bool   `json:"optional"` // the contract leaves it to the provider
}

// A Status summarizes how well a provider keeps a law.
type Status string

// The statuses.
const (
	Held       Status = "held"
	Downgraded Status = "downgraded" // held in a weaker form: see the reason
	Failed     Status = "failed"
	NotRun     Status = "not run" // excluded by -run
)

func (r *LawReport) sum() {
	switch {
	case len(r.Failed) > 0:
		r.Status = Failed
	case r.Downgrade != "":
		r.Status = Downgraded
	case r.Tests == 0:
		r.Status = NotRun
	default:
		r.Status = Held
	}
}

// Markdown renders reports as one table, laws down and providers across, followed by a
// section for each provider with the reasons of its downgrades and of left-out tests.
func Markdown(reports ...Report) string {
	var b strings.Builder
	b.WriteString("| Law |")
	rule := "\n|---|"
	for _, r := range reports {
		fmt.Fprintf(&b, " %s |", r.Provider)
		rule += "---|"
	}
	b.WriteString(rule + "\n")
	for law := Contract; int(law) < len(lawTexts); law++ {
		fmt.Fprintf(&b, "| %s |", law)
		for _, r := range reports {
			l := r.law(law)
			fmt.Fprintf(&b, " %s (%d) |", l.Status, l.Tests)
		}
		b.WriteString("\n")
	}
	for _, r := range reports {
		r.reasons(&b)
	}
	return b.String()
}

// reasons lists why laws are downgraded, and which tests were left out and why.
func (r Report) reasons(b *strings.Builder) {
	head := "\n## " + r.Provider + "\n\n"
	item := func(format string, args ...any) {
		fmt.Fprintf(b, head+format, args...)
		head = ""
	}
	for _, l := range r.Laws {
		if l.Downgrade != "" {
			item("- **%s** is downgraded: %s\n", l.Text, l.Downgrade)
		}
	}
	type want struct{ requires, why string }
	var wants []want
	tests := make(map[want][]string)
	for _, l := range r.Laws {
		for _, o := range l.LeftOut {
			w := want{o.Needs, o.Why}
			if tests[w] == nil {
				wants = append(wants, w)
			}
			tests[w] = append(tests[w], strconv.Quote(o.Test))
		}
	}
	for _, w := range wants {
		item("- left out for lack of %s (%s): %s\n", w.requires, w.why, strings.Join(tests[w], ", "))
	}
}

func (r Report) law(law Law) LawReport {
	for _, l := range r.Laws {
		if l.Law == law {
			return l
		}
	}
	return LawReport{Law: law, Text: law.String(), Status: NotRun}
}

func (b *resultRecorder) report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := Report{Provider: b.h.Name, Types: b.h.types, Capabilities: b.h.caps}
	for law := Contract; int(law) < len(lawTexts); law++ {
		l := *b.of(law)
		l.sum()
		r.Laws = append(r.Laws, l)
	}
	return r
}

// publish logs the table, and writes it to a file if requested.
func (b *resultRecorder) publish(t testing.TB) {
	t.Helper()
	r := b.report()
	t.Logf("\n%s", Markdown(r))
	for _, l := range r.Laws {
		slices.Sort(l.Failed)
		if len(l.Failed) > 0 {
			t.Logf("%s failed in: %s", l.Text, strings.Join(l.Failed, "; "))
		}
	}
	dir := os.Getenv("TASKGEN_CONFORMANCE_OUT")
	if dir == "" {
		return
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(r.Provider, " ", "-")+".json"), append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Errorf("write the table of laws: %v", err)
	}
}
