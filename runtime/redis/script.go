package redis

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var sources embed.FS

// A kind says how the ready tasks of a keyspace are ordered. Each has its own file of Lua
// functions, with the same names, from which the scripts are composed.
type kind string

const (
	lists kind = "lists" // a standard or priority queue
	fifo  kind = "fifo"
	dead  kind = "dead" // the dead of a queue
)

// A script is one operation on one kind of keyspace. Its header has the names of its keys
// and of the files that it uses.
type script struct {
	name   string
	source string
	sha    string
	keys   []keyID
	lists  bool // the keys of the lists follow the others
}

// An operation is a script in the variants for the kinds of keyspace that it works
// on.
type operation map[kind]*script

var (
	opDeclare      = load("declare")
	opEnqueuePlain = load("enqueue_plain")
	opEnqueue      = load("enqueue")
	opInbox        = load("inbox")
	opAdopt        = load("adopt")
	opDequeue      = load("dequeue")
	opComplete     = load("complete")
	opExtend       = load("extend")
	opRelease      = load("release")
	opBury         = load("bury")
	opStats        = load("stats")
	opSignal       = load("signal")
	opPause        = load("pause")
	opPaused       = load("paused")
	opDelete       = load("delete")
	opCancel       = load("cancel")
	opReschedule   = load("reschedule")
	opPurge        = load("purge")
	opBrowse       = load("browse")
	opFind         = load("find")
	opRewrite      = load("rewrite")
	opDeadFind     = load("dead_find")
	opDeadPage     = load("dead_page")
	opDeadRead     = load("dead_read")
	opDeadDiscard  = load("dead_discard")
	opRedrive      = load("redrive")
	opRegister     = load("register")

	jobsPut   = loadFor(jobKeyNames[:], "jobs_put")
	jobsGet   = loadFor(jobKeyNames[:], "jobs_get")
	jobsList  = loadFor(jobKeyNames[:], "jobs_list")
	jobsClaim = loadFor(jobKeyNames[:], "jobs_claim")
	jobsHeads = loadFor(jobKeyNames[:], "jobs_heads")
	jobsNow   = loadFor(jobKeyNames[:], "jobs_now")
	jobsPass  = loadFor(jobKeyNames[:], "jobs_pass")
	jobsNote  = loadFor(jobKeyNames[:], "jobs_note")

	resultPut    = loadFor([]string{"result", "mark"}, "result_put")
	resultForget = loadFor([]string{"result", "mark"}, "result_forget")

	interrupt = loadFor([]string{"list"}, "interrupt")

	lettersPut    = loadFor(letterKeyNames[:], "letters_put")
	lettersGet    = loadFor(letterKeyNames[:], "letters_get")
	lettersList   = loadFor(letterKeyNames[:], "letters_list")
	lettersDelete = loadFor(letterKeyNames[:], "letters_delete")
	lettersRead   = loadFor(letterKeyNames[:], "dead_read")
	lettersSwap   = loadFor(letterKeyNames[:], "letters_swap")

	fleetHeartbeat = loadFor(fleetKeyNames[:], "fleet_heartbeat")
	fleetSend      = loadFor(fleetKeyNames[:], "fleet_send")
	fleetRead      = loadFor(fleetKeyNames[:], "fleet_read")
	fleetForget    = loadFor(fleetKeyNames[:], "fleet_forget")
	fleetLeave     = loadFor(fleetKeyNames[:], "fleet_leave")
	fleetTypesPut  = loadFor(fleetKeyNames[:], "fleet_types")
	fleetDescribed = loadFor(fleetKeyNames[:], "fleet_described")

	historyAdd   = loadFor(historyKeyNames[:], "history_add")
	historyHeads = loadFor(historyKeyNames[:], "history_heads")
)

// load composes an operation for every kind of keyspace that its header names, or once
// for all.
func load(name string) operation {
	text := read(name)
	uses := header(text, "USES")
	op := make(operation)
	for _, use := range uses {
		if first, _, several := strings.Cut(use, "|"); several || kind(first) == lists {
			for k := range strings.SplitSeq(use, "|") {
				op[kind(k)] = compose(name, text, uses, kind(k), keyNames[:])
			}
		}
	}
	if len(op) == 0 {
		s := compose(name, text, uses, lists, keyNames[:])
		return operation{lists: s, fifo: s, dead: s}
	}
	return op
}

// loadFor composes a script that works not on a keyspace, but on keys with known names.
func loadFor(known []string, name string) *script {
	text := read(name)
	return compose(name, text, header(text, "USES"), lists, known)
}

func read(name string) string {
	text, err := sources.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // the files are part of the package
	}
	return string(text)
}

// header returns the words after "-- field:" in the comment at the head of a file.
func header(text, field string) []string {
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(line, "-- ")
		if !ok {
			break
		}
		if words, ok := strings.CutPrefix(comment, field+":"); ok {
			return strings.Fields(words)
		}
	}
	return nil
}

// compose makes the text of a script: a local variable for each of its keys,
// the files that it uses, and its own. known are the names that keys may have.
func compose(name, text string, uses []string, k kind, known []string) *script {
	s := &script{name: name}
	have := make(map[string]bool)
	var body strings.Builder
	add := func(file string) {
		for _, key := range header(file, "KEYS") {
			have[key] = true
		}
		for line := range strings.Lines(file) {
			if code := strings.TrimSpace(line); code != "" && !strings.HasPrefix(code, "--") {
				body.WriteString(code + "\n")
			}
		}
	}
	for _, use := range uses {
		if strings.Contains(use, "|") {
			use = string(k)
		}
		add(read(use))
	}
	add(text)
	s.lists = have["lists"]
	delete(have, "lists")
	var names, values []string
	for id, key := range known {
		if have[key] {
			s.keys = append(s.keys, keyID(id))
			names, values = append(names, key), append(values, "KEYS["+strconv.Itoa(len(s.keys))+"]")
			delete(have, key)
		}
	}
	if len(have) > 0 {
		panic(fmt.Sprintf("redis: script %s names unknown keys %v", name, have))
	}
	if s.lists {
		names, values = append(names, "lists"), append(values, strconv.Itoa(len(s.keys)))
	}
	s.source = "local kind = '" + string(k) + "'\nlocal " + strings.Join(names, ", ") + " = " + strings.Join(values, ", ") + "\n" + body.String()
	sum := sha1.Sum([]byte(s.source))
	s.sha = hex.EncodeToString(sum[:])
	return s
}

// A call is one script with its keys and arguments, ready to be sent.
type call struct {
	script *script
	args   []any // of the command: evalsha, sha, number of keys, keys, arguments
	first  int   // index of the first argument
	sent   *sendCount
}

// newCall begins a call with room for n arguments.
func (ks *keyspace) newCall(op operation, n int) *call {
	s := op[ks.kind]
	if s == nil {
		panic("redis: no script for a queue of this kind") // a mistake in this package
	}
	var levels []any
	if s.lists {
		levels = *ks.lists.Load()
	}
	c := &call{script: s, args: make([]any, 0, 3+len(s.keys)+len(levels)+n)}
	c.args = append(c.args, "evalsha", s.sha, len(s.keys)+len(levels))
	for _, id := range s.keys {
		c.args = append(c.args, ks.keys[id])
	}
	c.args = append(c.args, levels...)
	c.first = len(c.args)
	return c
}

func (c *call) add(args ...any) *call {
	c.args = append(c.args, args...)
	return c
}

// withSendCount adds the argument that says how often the call was sent before.
func (c *call) withSendCount() *call {
	c.sent = new(sendCount)
	return c.add(c.sent)
}

// sendCount counts how often a command was written to a connection. Clients repeat a
// command whose reply was lost; the script gets the count, so that it can distinguish
// the call's own changes from those of others.
type sendCount struct{ n int }

// MarshalBinary is called each time that the client writes the command.
func (s *sendCount) MarshalBinary() ([]byte, error) {
	n := s.n
	s.n++
	return strconv.AppendInt(nil, int64(n), 10), nil
}

// command makes a fresh command of the call: one cannot be sent twice.
func (c *call) command(ctx context.Context) *redis.Cmd {
	cmd := redis.NewCmd(ctx, c.args...)
	cmd.SetFirstKeyPos(3)
	return cmd
}

// withSource makes the call carry the text of its script, for a server that does
// not have it.
func (c *call) withSource() {
	c.args[0], c.args[1] = "eval", c.script.source
	c.resetSendCount()
}

// resetSendCount forgets the only sending of a call, which the server has refused without
// an effect.
func (c *call) resetSendCount() {
	if c.sent != nil && c.sent.n == 1 {
		c.sent.n = 0
	}
}

// moreDue is the error of a script that has put due tasks in line, has not done its own
// work, and must be sent again: see promote_and_reap.lua.
func moreDue(err error) bool { return redis.HasErrorPrefix(err, "MOREDUE") }

// retryTimeout bounds how long a call is repeated that the server cannot take now,
// because it is loading or changing its role. Redis does that in seconds.
const retryTimeout = 15 * time.Second

// run sends a call and returns the reply. If the server says that it cannot take it for
// now, which means that nothing was done, the call is repeated until ctx ends, the
// provider is closed, or retryTimeout is over.
func (p *Provider) run(ctx context.Context, c *call) (any, error) {
	return request(ctx, p, func(ctx context.Context) (any, error) { return p.send(ctx, c) })
}

func (p *Provider) send(ctx context.Context, c *call) (any, error) {
	deadline := time.Now().Add(retryTimeout)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		cmd := c.command(ctx)
		err := p.client.Process(ctx, cmd)
		switch {
		case err == nil:
			return cmd.Val(), nil
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			c.withSource()
			continue
		case moreDue(err) && ctx.Err() == nil:
			c.resetSendCount()
			continue
		case !p.isTransient(err) || time.Now().After(deadline) || p.ctx.Err() != nil || !sleep(ctx, pause):
			return nil, err
		}
	}
}

// runKeys sends one call of a script that works on no keyspace. keys are those that the
// script's keyIDs count.
func (p *Provider) runKeys(ctx context.Context, s *script, keys []string, args ...any) (any, error) {
	if err := p.begin(); err != nil {
		return nil, err
	}
	defer p.calls.Done()
	c := &call{script: s, args: make([]any, 0, 3+len(s.keys)+len(args))}
	c.args = append(c.args, "evalsha", s.sha, len(s.keys))
	for _, id := range s.keys {
		c.args = append(c.args, keys[id])
	}
	c.first = len(c.args)
	reply, err := p.run(ctx, c.add(args...))
	if err != nil {
		return nil, fmt.Errorf("redis: %s: %w", s.name, err)
	}
	return reply, nil
}

// runAll sends calls in one round trip, and returns a reply or an error for
// each.
func (p *Provider) runAll(ctx context.Context, calls []*call) ([]any, []error) {
	if len(calls) == 1 {
		reply, err := p.run(ctx, calls[0])
		return []any{reply}, []error{err}
	}
	type outcome struct {
		replies []any
		errs    []error
	}
	got, err := request(ctx, p, func(ctx context.Context) (outcome, error) {
		replies, errs := p.sendAll(ctx, calls)
		for i := range errs {
			errs[i] = p.unavailable(ended(ctx, errs[i]))
		}
		return outcome{replies, errs}, nil
	})
	if err != nil {
		got = outcome{make([]any, len(calls)), slices.Repeat([]error{err}, len(calls))}
	}
	return got.replies, got.errs
}

func (p *Provider) sendAll(ctx context.Context, calls []*call) ([]any, []error) {
	replies, errs := make([]any, len(calls)), make([]error, len(calls))
	pipe := p.client.Pipeline()
	cmds := make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		cmds[i] = c.command(ctx)
		_ = pipe.Process(ctx, cmds[i])
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, cmd := range cmds {
		replies[i], errs[i] = cmd.Val(), cmd.Err()
		if err := errs[i]; err != nil && (redis.HasErrorPrefix(err, "NOSCRIPT") || p.isTransient(err)) {
			replies[i], errs[i] = p.send(ctx, calls[i])
		}
	}
	return replies, errs
}

// runEach sends calls one after another. Calls after a failed one are not sent, and
// share its error.
func (p *Provider) runEach(ctx context.Context, calls []*call) ([]any, []error) {
	replies, errs := make([]any, len(calls)), make([]error, len(calls))
	for i, c := range calls {
		if replies[i], errs[i] = p.run(ctx, c); errs[i] != nil {
			for k := range calls[i:] {
				errs[i+k] = errs[i]
			}
			break
		}
	}
	return replies, errs
}

// Pauses between two sendings.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// isTransient is the function isTransient for the provider's client: one of a single
// server does not go where a Cluster sends it.
func (p *Provider) isTransient(err error) bool {
	_, cluster := p.client.(*redis.ClusterClient)
	return isTransient(err) && (cluster || !redis.HasErrorPrefix(err, "MOVED") && !redis.HasErrorPrefix(err, "ASK"))
}

// isTransient reports whether the server has refused a command for a reason that
// will pass. It has done nothing then.
func isTransient(err error) bool {
	for _, prefix := range [...]string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// isFull reports whether the server takes no new tasks for now: its memory or its disk
// is full, or a replica is missing that its configuration requires for writes. A script
// that was refused for that has done nothing.
func isFull(err error) bool {
	var replyErr redis.Error
	if !errors.As(err, &replyErr) {
		return false
	}
	for _, reason := range [...]string{"OOM command not allowed", "MISCONF ", "NOREPLICAS "} {
		// Redis 6.2 says first which line of which script it was.
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}

// sleep waits, and reports false when ctx ends before that.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errReply is a reply that no script of this version gives.
var errReply = errors.New("redis: a script returned a reply that this version does not understand: do all processes use the same version?")
