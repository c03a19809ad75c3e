package redis

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// every lists all scripts, each in all its variants.
func every() map[string]*script {
	all := make(map[string]*script)
	for _, op := range []operation{
		opDeclare, opEnqueuePlain, opEnqueue, opInbox, opAdopt, opDequeue, opComplete, opExtend, opRelease, opBury, opStats, opSignal, opPause, opPaused, opDelete, opCancel,
		opReschedule, opPurge, opBrowse, opFind, opRewrite, opDeadFind, opDeadPage, opDeadRead, opDeadDiscard, opRedrive, opRegister,
	} {
		for k, s := range op {
			all[fmt.Sprintf("%s (%s)", s.name, k)] = s
		}
	}
	for _, s := range []*script{jobsPut, jobsGet, jobsList, jobsClaim, jobsHeads, jobsPass, jobsNow, jobsNote, lettersPut, lettersGet, lettersList, lettersDelete, lettersSwap, resultPut, resultForget, interrupt, fleetHeartbeat, fleetSend, fleetRead, fleetForget, fleetLeave, fleetTypesPut, fleetDescribed, historyAdd, historyHeads} {
		all[s.name] = s
	}
	return all
}

func TestEveryScriptFileIsUsedAndSaysWhatItTakesReturnsAndCosts(t *testing.T) {
	used := make(map[string]bool)
	for _, s := range every() {
		used[s.name+".lua"] = true
		for _, use := range header(read(s.name), "USES") {
			for part := range strings.SplitSeq(use, "|") {
				used[part+".lua"] = true
			}
		}
		for _, field := range []string{"KEYS", "ARGV", "Returns", "Cost"} {
			assert.Regexp(t, "(?m)^-- "+field+":", read(s.name), "the header of %s.lua", s.name)
		}
	}
	files, err := sources.ReadDir("scripts")
	require.NoError(t, err)
	for _, f := range files {
		assert.True(t, used[f.Name()], "%s is used by no script", f.Name())
	}
}

func TestNoScriptLeavesAGlobalVariable(t *testing.T) {
	p := open(t, sharedURL(t))
	for name, s := range every() {
		// Redis refuses to set globals when the script runs; here they are found
		// by reading: a name is set that no local statement has made.
		made := make(map[string]bool)
		for _, m := range regexp.MustCompile(`local (?:function )?([\w, ]+)|for ([\w, ]+) (?:in|=)|function ?\w*\(([\w, ]*)\)`).FindAllStringSubmatch(s.source, -1) {
			for _, names := range m[1:] {
				for v := range strings.SplitSeq(names, ",") {
					made[strings.TrimSpace(v)] = true
				}
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^([a-z_]+(?:, [a-z_]+)*) = `).FindAllStringSubmatch(s.source, -1) {
			for v := range strings.SplitSeq(m[1], ", ") {
				assert.True(t, made[v], "%s sets %q", name, v)
			}
		}
		require.NoError(t, p.client.ScriptLoad(within(t), s.source).Err(), "%s does not compile", name)
	}
}
