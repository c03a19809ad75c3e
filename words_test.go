package taskgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// retired are names that a package had before it took the standard terms, each with the
// term that replaces it.
var retired = map[string]map[string]string{
	"runtime": {
		"gatherer": "coalescer", "landed": "roundTripDone", "flights": "inFlight", "reunion": "rejoinTimer",
		"entry": "admission", "exit": "finalCheck", "lives": "resultStores", "graves": "deadQueues",
		"hushed": "redactedError", "sayable": "printableError", "culprit": "undecodableField",
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
		"lobby": "waitQueues", "room": "waitQueue", "rooms": "byQueue", "nudge": "signal", "bell": "walNotifier", "rang": "written", "deaf": "noInotify",
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
		"salvage": "buryUndecodable", "standIn": "undecodableTask", "grave": "deadSubject", "graves": "deadQueue", "letter": "deadLetterRequest",
		"bury": "moveToDLQ", "ghosts": "reappeared", "tidy": "housekeep", "gather": "compact", "kick": "ensureHeads", "relieve": "replaceHeads",
		"wake": "promoteDelayed", "alarm": "promotePulled", "sleepers": "delayConsumers", "mark": "originID", "lapse": "giveBackExpired",
		"linger": "graceContext", "heard": "cancelOnRefusal", "gate": "closeMu", "revive": "restoreStream", "deaf": "unresponsive",
		"errAway": "errDisconnected", "errAstray": "errNoConsumer",
	},
	"runtime/sqs": {
		"engine": "queueState", "lane": "source", "remote": "sqsQueue", "flight": "pollInFlight", "flying": "inFlight", "landed": "done",
		"stray": "unrunnable", "burial": "deathRecord", "estrange": "markUndecodable", "beside": "senderAttributes",
		"memo": "attemptHint", "memos": "attemptHints", "killers": "crashCounts", "bury": "moveToDLQ",
		"rise": "takeDelayedHeads", "resting": "delayedHeads", "linger": "runDetached", "shut": "shutDown", "hold": "unrequestedWait",
		"silence": "answerTimeout", "verdict": "entryResult", "prey": "selection", "doubtful": "resolveStaleHandles",
		"dress": "encodeExisting", "bare": "payloadCodec", "checkIn": "encodeOrStore", "hollow": "withoutPayload", "adopt": "openExisting",
	},
	"runtime/sqs/sqstest": {"world": "env"},
}

func TestRetiredNamesStayAway(t *testing.T) {
	for dir, words := range retired {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		fset := token.NewFileSet()
		for _, name := range files {
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && words[id.Name] != "" {
					t.Errorf("%s: %s is called %s here", fset.Position(id.Pos()), id.Name, words[id.Name])
				}
				return true
			})
		}
	}
}
