package taskgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// retired are words that names had before they took the standard terms, each with the term
// that replaces it. A folder that ends in /... has all folders below it.
var retired = map[string]map[string]string{
	"./...": {
		"gatherer": "coalescer, or what it collects", "reunion": "rejoinTimer", "mourn": "runDeadHook", "memos": "attemptHints",
		"standIn": "undecodableTask", "salvage": "buryUndecodable", "undead": "noDLQ", "corpse": "deadTask", "lobby": "waitQueue",
		"nudge": "signal", "sip": "consumer", "census": "presence", "landed": "done",
	},
	"generator/...": {
		"trouble": "problem", "walker": "jsonWalker", "shaper": "schemaBuilder", "gatherer": "errorCollector",
		"flight": "inFlight", "stray": "orphan", "world": "env", "need": "request", "book": "recorder",
	},
	"runtime": {
		"gatherer": "coalescer", "landed": "roundTripDone", "flights": "inFlight", "reunion": "rejoinTimer",
		"entry": "admission", "exit": "finalCheck", "lives": "resultStores", "graves": "deadQueues",
		"told": "what it receives or returns", "hushed": "redactedError", "sayable": "printableError", "culprit": "undecodableField",
	},
	"runtime/driver": {"Bury": "RecordDeath", "Unbury": "ClearDeath", "NoteAttempt": "RecordAttempt"},
	"runtime/dlq": {
		"shelf": "backend", "walk": "scan", "sieve": "selection", "sift": "scanMatching",
		"resurrect": "prepareRedrive", "misfit": "describeMismatch", "partners": "oldIndexOf",
		"desk": "env", "tap": "recordingNotifier",
	},
	"runtime/drivertest": {
		"world": "env", "clause": "testCase", "need": "requirement", "book": "resultRecorder", "looker": "poller",
		"room": "testLimiter", "everybody": "processLimiter", "trial": "caseRunner",
		"gate": "latch", "salvage": "drainExpected", "glance": "quietWait", "shaky": "awayProvider",
		"cramped": "fullBackend", "modest": "plainBroker", "everything": "referenceQueue",
	},
	"runtime/drivertest/boxtest":         {"desk": "env", "meddler": "interceptor", "graves": "dlq"},
	"runtime/drivertest/jobstoretest":    {"shop": "env"},
	"runtime/drivertest/resultstoretest": {"shop": "env", "office": "livesEnv", "desk": "producer"},
	"runtime/drivertest/taskstoretest":   {"shop": "env", "desk": "boxEnv", "meddler": "interceptor"},
	"runtime/internal/pool": {
		"shift": "run", "lane": "consumer", "gate": "limiter", "keeper": "leaseExtender",
		"kick": "signal", "ring": "onTimer", "hintAll": "notifyFetchers",
	},
	"runtime/schedule": {
		"relay": "handoverScheduler", "sift": "partition", "learn": "adaptStep", "takeBack": "cancelTask",
		"rearm": "resetWake", "rewake": "correctWake", "wakeSilenced": "correctWakes", "silence": "wakeTolerance",
		"retime": "reschedule", "carryOn": "continueAs", "tracked": "trackedRun", "told": "taskStates",
	},
	"runtime/rabbitmq": {
		"look":    "recheck",
		"station": "queueState", "tap": "receiver", "sip": "consumer", "drink": "receive", "passer": "delayedMessage",
		"census": "presence", "roll": "presenceQueue", "pen": "emptyQueue", "corpse": "deadTask", "kick": "signal", "ring": "signalShares",
		"grave": "deadExchange", "salvage": "buryUndecodable", "strays": "misdelivered",
	},
	"runtime/redis": {
		"lane": "keyspace", "lanes": "keyspaces", "grave": "deadKeyspace", "corpse": "deadTask", "look": "poll", "salvage": "buryUndecodable",
		"standIn": "undecodableTask", "errUndead": "errNoDLQ", "lobby": "waitQueue", "nudge": "signalOthers", "poke": "interrupt", "baton": "signal",
		"ward": "connMonitor", "wire": "monitoredConn", "unheard": "abandonedError", "hasty": "contextTimeout", "misfit": "rejectedMark",
		"strangers": "readInbox", "wary": "checkSizes", "chunk": "maxScriptTasks", "bulk": "maxScriptBytes", "mend": "remedy",
	},
	"runtime/sqlite": {
		"consumer": "waiter",
		"lobby":    "waitQueues", "room": "waitQueue", "rooms": "byQueue", "nudge": "signal", "bell": "walNotifier", "rang": "written", "deaf": "noInotify",
		"pace": "checkIntervals", "stir": "activeFor", "looks": "polls", "settleLimit": "promoteLimit", "unwait": "takeOut", "unhold": "freeUniqueKey",
		"errUndead": "errNoDLQ", "standIn": "undecodableTask", "salvage": "buryUndecodable", "around": "redriveHook", "patiently": "retryWhileBusy",
		"placed": "checkFolder", "placeOf": "identify", "chunk": "maxTxTasks", "bulk": "maxTxBytes",
	},
	"runtime/memory": {
		"newStore": "newQueueState", "storeFor": "queueStateFor",
		"strays": "outOfOrder", "stray": "timedItem", "calendar": "timeQueue", "clockwise": "timeHeap", "ring": "groupTurns", "summon": "wakeWaiters",
		"bringBack": "makeReadyInPlace", "enrol": "addToGroup", "expel": "removeFromGroup", "shut": "closeHandle", "handed": "deliveredTask",
		"deadOnes": "findDead", "twin": "nextSameID", "around": "redriveHook", "keptLetter": "storedLetter", "revive": "redriveItem",
	},
	"runtime/nats": {
		"source": "queueState", "wire": "requester", "load": "byteBudget", "seat": "foundTask", "stretch": "seqRange", "lane": "partition",
		"foreigner": "misaddressedMsg", "stray": "misaddressed", "strays": "misaddressed", "adopt": "enqueueOrBury",
		"salvage": "buryUndecodable", "standIn": "undecodableTask", "grave": "deadSubject", "graves": "deadQueue", "letter": "deadLetter",
		"ghosts": "reappeared", "tidy": "housekeep", "gather": "compact", "kick": "ensureHeads", "relieve": "replaceHeads",
		"wake": "promoteDelayed", "alarm": "promotePulled", "sleepers": "delayConsumers", "mark": "originID", "lapse": "giveBackExpired",
		"linger": "graceContext", "heard": "cancelOnRefusal", "gate": "closeMu", "revive": "restoreStream", "deaf": "unresponsive",
		"errAway": "errDisconnected", "errAstray": "errNoConsumer",
	},
	"runtime/sqs": {
		"engine": "queueState", "lane": "source", "remote": "sqsQueue", "flight": "inFlight", "flying": "inFlight", "landed": "done",
		"stray": "unrunnable", "burial": "deathRecord", "estrange": "markUndecodable", "beside": "senderAttributes",
		"memo": "attemptHint", "memos": "attemptHints", "killers": "crashCounts",
		"rise": "takeDelayedHeads", "resting": "delayedHeads", "linger": "runDetached", "shut": "shutDown", "hold": "unrequestedWait",
		"silence": "answerTimeout", "verdict": "entryResult", "prey": "selection", "doubtful": "resolveStaleHandles",
		"dress": "encodeExisting", "bare": "payloadCodec", "checkIn": "encodeOrStore", "hollow": "withoutPayload", "adopt": "openExisting",
	},
	"runtime/sqs/sqstest": {"world": "env"},
}

// inPlainSense are names that contain a retired word and mean something else by it, each
// with the meaning.
var inPlainSense = map[string]string{
	"runtime/driver.BuryUnknown":     "what users tell a router to do with a task that it does not know",
	"runtime/drivertest.Needs":       "the programs that a case needs, as the report says it",
	"runtime/drivertest.noRoom":      "a full backend has no room",
	"runtime/drivertest.waitForRoom": "waits until a full backend has room",
	"runtime/nats.markLeased":        "the verb",
	"runtime/redis.historyChunks":    "the chunks of package chunklog",
}

// TestRetiredNamesStayAway looks for retired words within each name that a package
// declares: clusterKick and kickAll have the word kick. A name that is used and not
// declared there belongs to another package.
func TestRetiredNamesStayAway(t *testing.T) {
	used := make(map[string]bool)
	for dir, ids := range declared(t) {
		for _, id := range ids {
			for tree, words := range retired {
				if root, all := strings.CutSuffix(tree, "/..."); dir != tree && !(all && (root == "." || strings.HasPrefix(dir+"/", root+"/"))) {
					continue
				}
				for word, standard := range words {
					switch exception := dir + "." + id.Name; {
					case !hasWord(id.Name, word) || hasWord(id.Name, standard):
					case inPlainSense[exception] != "":
						used[exception] = true
					default:
						t.Errorf("%s: %s: %s is called %s here", id.pos, id.Name, word, standard)
					}
				}
			}
		}
	}
	for exception := range inPlainSense {
		require.True(t, used[exception], "the exception for %s is not needed", exception)
	}
}

type name struct {
	*ast.Ident
	pos token.Position
}

// declared returns the names that the files of each folder declare, at whatever depth.
func declared(t *testing.T) map[string][]name {
	all := make(map[string][]name)
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); base == "testdata" || len(base) > 1 && base[0] == '.' {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		for _, id := range declaredIn(file) {
			all[dir] = append(all[dir], name{id, fset.Position(id.Pos())})
		}
		return nil
	}))
	for dir := range retired {
		require.True(t, strings.HasSuffix(dir, "/...") || len(all[dir]) > 0, "there is no package in %s", dir)
	}
	return all
}

func declaredIn(file *ast.File) (ids []*ast.Ident) {
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if id, ok := e.(*ast.Ident); ok {
				ids = append(ids, id)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name)
		case *ast.TypeSpec:
			add(n.Name)
		case *ast.ValueSpec:
			ids = append(ids, n.Names...)
		case *ast.Field:
			ids = append(ids, n.Names...)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				add(n.Key, n.Value)
			}
		case *ast.LabeledStmt:
			add(n.Label)
		}
		return true
	})
	return ids
}

// hasWord reports whether name contains the words of word, in the singular or the plural.
func hasWord(name, word string) bool {
	in, want := wordsOf(name), wordsOf(word)
	for i := range len(in) - len(want) + 1 {
		last := len(want) - 1
		if slices.Equal(in[i:i+last], want[:last]) && (in[i+last] == want[last] || in[i+last] == want[last]+"s") {
			return true
		}
	}
	return false
}

// wordsOf splits a Go name into its words, in lower case: openDLQFile has open, dlq and
// file.
func wordsOf(name string) (words []string) {
	runes := []rune(name)
	start := 0
	for i := 1; i <= len(runes); i++ {
		end := i == len(runes)
		begins := !end && unicode.IsUpper(runes[i]) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if end || begins || runes[i] == '_' {
			if word := strings.ToLower(strings.Trim(string(runes[start:i]), "_")); word != "" {
				words = append(words, word)
			}
			start = i
		}
	}
	return words
}

func TestWordsOfAName(t *testing.T) {
	for name, want := range map[string][]string{
		"kick": {"kick"}, "kickAll": {"kick", "all"}, "KickAll": {"kick", "all"}, "openDLQFile": {"open", "dlq", "file"},
		"errNoDLQ": {"err", "no", "dlq"}, "Example_kick": {"example", "kick"}, "ID": {"id"}, "_": nil,
	} {
		require.Equal(t, want, wordsOf(name), name)
	}
	require.True(t, hasWord("allStrays", "stray"))
	require.True(t, hasWord("newStandIn", "standIn"))
	require.False(t, hasWord("string", "ring"))
	require.False(t, hasWord("standAlone", "standIn"))
}
