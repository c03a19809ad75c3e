package queuetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Report is what Run found out about one provider: a column of the table of
// laws.
type Report struct {
	Provider string      `json:"provider"`
	Laws     []LawReport `json:"laws"`
}

// A LawReport says how a provider stands to one law.
type LawReport struct {
	Law       Law       `json:"law"`
	Text      string    `json:"text"`
	Status    Status    `json:"status"`
	Downgrade string    `json:"downgrade,omitempty"` // the reason
	Tests     int       `json:"tests"`               // how many ran
	Failed    []string  `json:"failed,omitempty"`
	LeftOut   []LeftOut `json:"left_out,omitempty"`
}

// LeftOut is a test that was not run, and why.
type LeftOut struct {
	Test     string `json:"test"`
	Needs    string `json:"needs"`
	Why      string `json:"why"`
	Optional bool   `json:"optional"` // the contract leaves it to the provider
}

// A Status sums up how a provider stands to a law.
type Status string

// The statuses.
const (
	Held       Status = "held"
	Downgraded Status = "downgraded" // held in a weaker form: see the reason
	Failed     Status = "failed"
	NotRun     Status = "not run" // kept out by -run
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

// Markdown renders reports as one table, laws down and providers across, with
// the reasons of downgrades below it.
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
		for _, l := range r.Laws {
			if l.Downgrade != "" {
				fmt.Fprintf(&b, "\n- %s, %s: %s", r.Provider, l.Text, l.Downgrade)
			}
			for _, o := range l.LeftOut {
				fmt.Fprintf(&b, "\n- %s, %s: without %q, which needs %s; %s", r.Provider, l.Text, o.Test, o.Needs, o.Why)
			}
		}
	}
	return b.String()
}

func (r Report) law(law Law) LawReport {
	for _, l := range r.Laws {
		if l.Law == law {
			return l
		}
	}
	return LawReport{Law: law, Text: law.String(), Status: NotRun}
}

func (b *book) report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := Report{Provider: b.h.Name}
	for law := Contract; int(law) < len(lawTexts); law++ {
		l := *b.of(law)
		l.sum()
		r.Laws = append(r.Laws, l)
	}
	return r
}

// publish logs the table, and writes it where it is asked for.
func (b *book) publish(t testing.TB) {
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
		err = os.WriteFile(filepath.Join(dir, r.Provider+".json"), append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Errorf("write the table of laws: %v", err)
	}
}
