package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// ownWatchers is how many keyspaces a process watches over a connection for each:
	// those that had something lately.
	ownWatchers = 32
	// sharedWatchers is how many connections it has for all others, and sharedKeyspaces
	// how many keyspaces one of these watches before there is a second: a server takes a
	// microsecond for each key that a client is blocked for, and does so again after each
	// wake-up.
	sharedWatchers  = 32
	sharedKeyspaces = 256
	// In a Cluster no command blocks for keys of several slots. There the others are
	// polled, in pipelines: each takes sweepEach of the time, so that many are polled
	// less often.
	sweepEach = 200 * time.Microsecond
	minSweep  = 250 * time.Millisecond
	// checkTogether is how much sooner than it must be a keyspace is checked, along with
	// others.
	checkTogether = 250 * time.Millisecond
	// interruptTTL is how long a signal lasts in the list of a process that is no more.
	interruptTTL = time.Minute
)

// watchers wait for the wake-ups of all keyspaces that have waiters in the process, over
// a few connections. A keyspace that is new, or had a wake-up, gets its own connection if
// one is free; then only this keyspace is blocked for again when it is empty. A keyspace
// that is quiet for recheck moves to a shared connection.
type watchers struct {
	p     *Provider
	spare int // own watchers that are kept free for keyspaces with work, if possible

	mu       sync.Mutex
	own      []watcher
	shared   []watcher
	checks   []check // in the order of their time
	checking bool    // the goroutine that checks is there
}

// A watcher is one connection, with the goroutine that is blocked on it. The fields
// are guarded by watchers.mu.
type watcher struct {
	all          *watchers
	alone        bool   // it watches one keyspace
	sweeps       bool   // it polls in place of being blocked
	interruptKey string // list with a signal when more keyspaces have come; empty: no need of one

	queues      []*waitQueue
	running     bool // the goroutine is there
	blocked     bool // it waits, for the keyspaces that were there then
	interrupted bool // and will not for long
}

// A check is a check of a keyspace that had no wake-up for a while.
type check struct {
	waitQueue *waitQueue
	at        time.Time
}

func newWatchers(p *Provider) *watchers {
	ws := &watchers{p: p, spare: ownWatchers, own: make([]watcher, ownWatchers), shared: make([]watcher, sharedWatchers)}
	_, cluster := p.client.(*redis.ClusterClient)
	if cluster {
		ws.spare, ws.shared = ownWatchers/4, ws.shared[:1]
	}
	for i := range ws.own {
		ws.own[i] = watcher{all: ws, alone: true}
	}
	name := "{" + p.prefix + "}:watch:" + uuid.NewString() + ":"
	for i := range ws.shared {
		ws.shared[i] = watcher{all: ws, sweeps: cluster}
		if !cluster {
			ws.shared[i].interruptKey = name + strconv.Itoa(i)
		}
	}
	return ws
}

// join makes a keyspace watched while it has waiters.
func (ws *watchers) join(wq *waitQueue) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if !wq.checked {
		wq.checked = true
		ws.checks = append(ws.checks, check{wq, time.Now().Add(recheck)})
		if !ws.checking {
			ws.checking = ws.p.goWatch(ws.check)
		}
	}
	if wq.watcher != nil {
		return
	}
	if i := slices.IndexFunc(ws.own, func(w watcher) bool { return !w.running }); i >= 0 {
		ws.own[i].add(wq)
	} else {
		ws.share(wq)
	}
}

// share makes a keyspace watched on a shared connection. ws.mu is held.
func (ws *watchers) share(wq *waitQueue) {
	best := &ws.shared[0]
	for i := range ws.shared {
		w := &ws.shared[i]
		if len(w.queues) < sharedKeyspaces {
			best = w
			break
		}
		if len(w.queues) < len(best.queues) {
			best = w
		}
	}
	best.add(wq)
}

// add adds a keyspace to those of the watcher. watchers.mu is held.
func (w *watcher) add(wq *waitQueue) {
	w.queues, wq.watcher = append(w.queues, wq), w
	switch p := w.all.p; {
	case !w.running:
		w.running = p.goWatch(w.watch)
	case w.blocked && !w.interrupted && w.interruptKey != "":
		w.interrupted = p.goWatch(w.interruptBlock)
	}
}

// watch waits for wake-ups while there are waiters.
func (w *watcher) watch() {
	pause := firstPause
	for {
		queues := w.keyspacesToWatch()
		if len(queues) == 0 {
			return
		}
		woken, err := w.await(queues)
		w.all.mu.Lock()
		w.blocked, w.interrupted = false, false
		w.all.mu.Unlock()
		switch {
		case err == nil:
			pause = firstPause
			for _, wq := range woken {
				w.forward(wq)
			}
		case errors.Is(err, redis.Nil):
			pause = firstPause
			w.moveToShared()
		case w.all.p.ctx.Err() == nil:
			// A Dequeue that polls now will meet the error and return it.
			for _, wq := range queues {
				wq.wake()
			}
			sleep(w.all.p.ctx, pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// keyspacesToWatch returns the keyspaces to wait for: those with waiters. There are none
// if the watcher is to end.
func (w *watcher) keyspacesToWatch() []*waitQueue {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	closed := w.all.p.ctx.Err() != nil
	w.queues = slices.DeleteFunc(w.queues, func(wq *waitQueue) bool {
		if !closed && wq.hasWaiters() {
			return false
		}
		wq.watcher = nil
		return true
	})
	w.running = len(w.queues) > 0
	w.blocked = w.running
	return slices.Clone(w.queues)
}

// forward passes a wake-up on. A keyspace on a shared connection gets its own one when it
// has waiters again.
func (w *watcher) forward(wq *waitQueue) {
	if !w.alone {
		w.all.mu.Lock()
		if i := slices.Index(w.queues, wq); i >= 0 {
			w.queues = slices.Delete(w.queues, i, i+1)
			wq.watcher = nil
		}
		w.all.mu.Unlock()
	}
	wq.passOn()
	if wq.hasWaiters() {
		w.all.join(wq)
	}
}

// moveToShared moves a keyspace without wake-ups to a shared connection, so that others
// may have this one.
func (w *watcher) moveToShared() {
	ws := w.all
	ws.mu.Lock()
	defer ws.mu.Unlock()
	free := 0
	for i := range ws.own {
		if !ws.own[i].running {
			free++
		}
	}
	if !w.alone || free >= ws.spare {
		return
	}
	for _, wq := range w.queues {
		wq.watcher = nil
		if wq.hasWaiters() {
			ws.share(wq)
		}
	}
	w.queues = nil
}

// await waits for the wake-ups of keyspaces, for recheck at most: then the error is
// redis.Nil. It returns without a wake-up if the watcher was interrupted.
func (w *watcher) await(queues []*waitQueue) ([]*waitQueue, error) {
	if w.sweeps {
		return w.sweep(queues)
	}
	lists := make([]string, 0, len(queues)+1)
	for _, wq := range queues {
		lists = append(lists, wq.keyspace.key(keyWake))
	}
	if w.interruptKey != "" {
		lists = append(lists, w.interruptKey)
	}
	of := func(list string) []*waitQueue {
		if i := slices.Index(lists, list); i >= 0 && i < len(queues) {
			return queues[i : i+1]
		}
		return nil
	}
	list, _, err := w.all.p.block(func(list string) {
		for _, wq := range of(list) {
			wq.passOn()
		}
	}, lists...)
	if err != nil {
		return nil, err
	}
	return of(list), nil
}

// interruptBlock makes the watcher also wait for new keyspaces. If that fails it does so
// within recheck.
func (w *watcher) interruptBlock() {
	ctx, cancel := context.WithTimeout(w.all.p.ctx, time.Second)
	defer cancel()
	c := &call{script: interrupt, args: []any{"evalsha", interrupt.sha, 1, w.interruptKey, interruptTTL.Milliseconds()}}
	_, _ = w.all.p.run(ctx, c)
}

// sweep takes the existing signals of keyspaces.
func (w *watcher) sweep(queues []*waitQueue) ([]*waitQueue, error) {
	p := w.all.p
	if !sleep(p.ctx, min(max(time.Duration(len(queues))*sweepEach, minSweep), recheck)) {
		return nil, p.ctx.Err()
	}
	var woken []*waitQueue
	for part := range slices.Chunk(queues, maxScriptTasks) {
		took, err := pipelineEach(p, part, func(ctx context.Context, pipe redis.Pipeliner, ks *keyspace) *redis.StringCmd {
			return pipe.LPop(ctx, ks.key(keyWake))
		}, func(took []*redis.StringCmd) {
			for i, signal := range took {
				if signal.Err() == nil {
					part[i].passOn()
				}
			}
		})
		for i, wq := range part {
			switch {
			case err == nil && took[i].Err() == nil:
				woken = append(woken, wq)
			case err != nil || !errors.Is(took[i].Err(), redis.Nil):
				wq.wake() // a Dequeue that polls now will meet the error and return it
			}
		}
	}
	return woken, nil
}

// check checks keyspaces with waiters, once in recheck, for tasks: a wake-up is lost with
// a process that dies, and other programs send none. Empty keyspaces are not checked any
// closer.
func (ws *watchers) check() {
	for {
		queues, wait := ws.due()
		if len(queues) == 0 && wait <= 0 || !sleep(ws.p.ctx, wait) {
			return
		}
		if len(queues) == 0 {
			continue
		}
		found, err := pipelineEach(ws.p, queues, func(ctx context.Context, pipe redis.Pipeliner, ks *keyspace) *redis.IntCmd {
			return pipe.Exists(ctx, ks.key(keyBody), ks.key(keyInbox), ks.key(keySources))
		}, nil)
		for i, wq := range queues {
			if err != nil || found[i].Err() != nil || found[i].Val() > 0 {
				wq.wake()
			}
		}
	}
}

// due returns the keyspaces to check now, or else how long there are none; neither if
// there are no more waiters.
func (ws *watchers) due() (queues []*waitQueue, wait time.Duration) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	now := time.Now()
	for len(ws.checks) > 0 && len(queues) < maxScriptTasks {
		next := ws.checks[0]
		if d := next.at.Sub(now); d > checkTogether || d > 0 && len(queues) == 0 {
			if len(queues) == 0 {
				wait = d
			}
			return queues, wait
		}
		ws.checks = ws.checks[1:]
		if next.waitQueue.checked = next.waitQueue.hasWaiters(); next.waitQueue.checked {
			queues = append(queues, next.waitQueue)
			ws.checks = append(ws.checks, check{next.waitQueue, now.Add(recheck)})
		}
	}
	ws.checking = len(queues) > 0
	return queues, 0
}

// pipelineEach sends a command for each keyspace in one round trip to each server, and
// waits at most recheck. Later answers go to late.
func pipelineEach[C redis.Cmder](p *Provider, queues []*waitQueue, send func(context.Context, redis.Pipeliner, *keyspace) C, late func([]C)) ([]C, error) {
	client := p.client
	if !p.ownsClient {
		client = p.blocking // that of the program may wait for ever
	}
	ctx, cancel := context.WithTimeout(p.ctx, recheck)
	defer cancel()
	return boundedOr(ctx, nil, 0, func(ctx context.Context) ([]C, error) {
		pipe := client.Pipeline()
		sent := make([]C, len(queues))
		for i, wq := range queues {
			sent[i] = send(ctx, pipe, wq.keyspace)
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		return sent, nil
	}, late)
}
