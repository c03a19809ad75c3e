package drivertest

import (
	"slices"
	"sync"
	"testing"
)

// A testCase is one test of the suite.
type testCase struct {
	law        Law
	name       string
	requires   []requirement
	real       bool // run on the machine's clock, whatever the harness offers
	alone      bool // run on a broker that no other test shares
	timeFactor int  // factor of its times on the machine's clock: 0 is 1
	run        func(w *env)
}

// testCases returns every test of the suite, law by law.
func testCases() []testCase {
	var all []testCase
	for _, part := range [...]func() []testCase{
		lossCases, killCases, leaseCases, receiptCases, timeCases, moveCases, poisonCases, crashCases,
		chargeCases, deployCases, runCases,
		orderCases, shareCases, levelCases, uniqueCases, troubleCases, stopCases, statsCases,
		faultCases, replyCases, outageCases, doneCases, frozenCases, awayCases, refusalCases, undecodableCases, fullCases, slowCases,
		taskCases, boundCases, distanceCases, waitCases, closeCases, operationCases, deleteCases, deadCases,
	} {
		all = append(all, part()...)
	}
	return all
}

// Run checks that a provider keeps the laws: each law is a subtest, with its tests
// below it. At the end it logs the table of laws, and writes it as JSON to the folder
// that the environment variable TASKGEN_CONFORMANCE_OUT names, if any, as
// <provider>.json with dashes for spaces (see [Report]). With -short it leaves out the
// tests that need processes, networks or servers of their own. A test that fails on an
// overloaded machine is run once more, with longer times.
//
// Tests of all suites of a process run side by side, as many as the machine has time
// for: from a dozen to four. Suites may run at the same time.
//
// Providers with a Home other than InProcess also need a call of [Child] in their
// TestMain.
func Run(t *testing.T, h Harness) {
	if err := h.validate(); err != nil {
		t.Fatal(err)
	}
	missing := h.missingRequirements(t)
	results := newResultRecorder(&h)
	t.Cleanup(func() { results.publish(t) })
	processLimiter.addSuite()
	t.Cleanup(processLimiter.removeSuite)
	tr := &caseRunner{h: &h, wakeups: &processLimiter.wakeups}
	var laws sync.WaitGroup
	for law := Contract; int(law) < len(lawTexts); law++ {
		laws.Go(func() {
			t.Run(law.String(), func(t *testing.T) {
				var tests sync.WaitGroup
				for _, c := range testCases() {
					if c.law != law {
						continue
					}
					if n, why, ok := c.firstMissing(missing); ok {
						results.leaveOut(t, c, n, why)
						continue
					}
					if testing.Short() && !c.short() {
						continue
					}
					tests.Go(func() {
						processLimiter.acquire(!c.short() && (!c.alone || h.Alone == nil)) // brokers that all start at once are slow, too
						defer processLimiter.release()
						t.Run(c.name, func(t *testing.T) {
							defer func() { results.note(c, t.Failed()) }()
							tr.run(t, c)
						})
					})
				}
				tests.Wait()
				results.checkDowngrade(t, law)
			})
		})
	}
	laws.Wait()
}

// slow requirements are those whose tests need processes, networks or servers of their own.
var slow = map[requirement]bool{
	processes: true, cutting: true, restarting: true, crashing: true, meddling: true, swallowing: true, filling: true, bulky: true,
}

// short reports whether a test is quick enough for go test -short.
func (c testCase) short() bool {
	return !c.real && !c.alone && !slices.ContainsFunc(c.requires, func(n requirement) bool { return slow[n] })
}

// firstMissing returns the first requirement of the test that is missing, with the reason.
func (c testCase) firstMissing(missing map[requirement]string) (requirement, string, bool) {
	for _, n := range c.requires {
		if why, ok := missing[n]; ok {
			return n, why, true
		}
	}
	return "", "", false
}

// A resultRecorder records the result of each test.
type resultRecorder struct {
	h  *Harness
	mu sync.Mutex
	by map[Law]*LawReport
}

func newResultRecorder(h *Harness) *resultRecorder {
	return &resultRecorder{h: h, by: make(map[Law]*LawReport)}
}

func (b *resultRecorder) of(law Law) *LawReport {
	r := b.by[law]
	if r == nil {
		r = &LawReport{Law: law, Text: law.String()}
		b.by[law] = r
	}
	return r
}

func (b *resultRecorder) note(c testCase, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.of(c.law)
	r.Tests++
	if failed {
		r.Failed = append(r.Failed, c.name)
	}
}

// leaveOut records a test that the provider cannot run. If the law is not downgraded
// and the requirement is not optional, that is a failure.
func (b *resultRecorder) leaveOut(t testing.TB, c testCase, n requirement, why string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.of(c.law)
	r.LeftOut = append(r.LeftOut, LeftOut{Test: c.name, Needs: string(n), Why: why, Optional: b.h.mayLack(n)})
	if b.h.mayLack(n) {
		return
	}
	if _, ok := b.h.Downgrades[c.law]; !ok {
		r.Failed = append(r.Failed, c.name)
		t.Errorf("%q needs %s, and %s: downgrade the law in the Harness, with the reason", c.name, n, why)
	}
}

// checkDowngrade fails for a downgraded law if all its tests could be run: such a
// downgrade would hide a later need for it.
func (b *resultRecorder) checkDowngrade(t testing.TB, law Law) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	reason, ok := b.h.Downgrades[law]
	if !ok {
		return
	}
	r := b.of(law)
	r.Downgrade = reason
	for _, l := range r.LeftOut {
		if !l.Optional {
			return
		}
	}
	r.Failed = append(r.Failed, "downgrade")
	t.Errorf("%s is downgraded (%s), but no test of it needs what the provider lacks: take the downgrade out", law, reason)
}
