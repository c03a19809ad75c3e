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
	// ownWatchers is how many lanes a process watches over a connection for each: those
	// that had something lately.
	ownWatchers = 32
	// sharedWatchers is how many connections it has for all others, and sharedLanes how
	// many lanes one of these watches before there is a second: a server takes a
	// microsecond for each key that a client is blocked for, and does so anew after each
	// wake-up.
	sharedWatchers = 32
	sharedLanes    = 256
	// In a Cluster no command blocks for keys of several slots. There the others are
	// asked, in pipelines: each takes sweepEach of the time, so that many are asked
	// less often.
	sweepEach = 200 * time.Microsecond
	minSweep  = 250 * time.Millisecond
	// checkTogether is how much sooner than it must be a lane is checked, along with
	// others.
	checkTogether = 250 * time.Millisecond
	// pokeLife is how long a baton lasts in the list of a process that is no more.
	pokeLife = time.Minute
)

// watchers wait for the wake-ups of all lanes that have waiters in the process, over a
// few connections. A lane that is new, or had a wake-up, gets its own connection if one
// is free; then only this lane is blocked for again when it is empty. A lane that is
// quiet for recheck moves to a shared connection.
type watchers struct {
	p     *Provider
	spare int // own watchers that are kept free for lanes with work, if possible

	mu       sync.Mutex
	own      []watcher
	shared   []watcher
	checks   []check // in the order of their time
	checking bool    // the goroutine that checks is there
}

// A watcher is one connection, with the goroutine that is blocked on it. The fields
// are guarded by watchers.mu.
type watcher struct {
	all    *watchers
	alone  bool   // it watches one lane
	sweeps bool   // it asks in place of being blocked
	poke   string // list with a baton when more lanes have come; empty: no need of one

	lanes   []*lobby
	running bool // the goroutine is there
	blocked bool // it waits, for the lanes that were there then
	poked   bool // and will not for long
}

// A check is a check of a lane that had no wake-up for a while.
type check struct {
	lobby *lobby
	at    time.Time
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
			ws.shared[i].poke = name + strconv.Itoa(i)
		}
	}
	return ws
}

// join makes a lane watched while it has waiters.
func (ws *watchers) join(lo *lobby) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if !lo.checked {
		lo.checked = true
		ws.checks = append(ws.checks, check{lo, time.Now().Add(recheck)})
		if !ws.checking {
			ws.checking = ws.p.goWatch(ws.check)
		}
	}
	if lo.watcher != nil {
		return
	}
	if i := slices.IndexFunc(ws.own, func(w watcher) bool { return !w.running }); i >= 0 {
		ws.own[i].add(lo)
	} else {
		ws.share(lo)
	}
}

// share makes a lane watched on a shared connection. ws.mu is held.
func (ws *watchers) share(lo *lobby) {
	best := &ws.shared[0]
	for i := range ws.shared {
		w := &ws.shared[i]
		if len(w.lanes) < sharedLanes {
			best = w
			break
		}
		if len(w.lanes) < len(best.lanes) {
			best = w
		}
	}
	best.add(lo)
}

// add adds a lane to those of the watcher. watchers.mu is held.
func (w *watcher) add(lo *lobby) {
	w.lanes, lo.watcher = append(w.lanes, lo), w
	switch p := w.all.p; {
	case !w.running:
		w.running = p.goWatch(w.watch)
	case w.blocked && !w.poked && w.poke != "":
		w.poked = p.goWatch(w.blockAnew)
	}
}

// watch waits for wake-ups while there are waiters.
func (w *watcher) watch() {
	pause := firstPause
	for {
		lanes := w.muster()
		if len(lanes) == 0 {
			return
		}
		woken, err := w.await(lanes)
		w.all.mu.Lock()
		w.blocked, w.poked = false, false
		w.all.mu.Unlock()
		switch {
		case err == nil:
			pause = firstPause
			for _, lo := range woken {
				w.handOn(lo)
			}
		case errors.Is(err, redis.Nil):
			pause = firstPause
			w.quiet()
		case w.all.p.ctx.Err() == nil:
			// Who looks now will meet the error and return it.
			for _, lo := range lanes {
				lo.call()
			}
			sleep(w.all.p.ctx, pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// muster returns the lanes to wait for: those with waiters. There are none if the
// watcher is to end.
func (w *watcher) muster() []*lobby {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	closed := w.all.p.ctx.Err() != nil
	w.lanes = slices.DeleteFunc(w.lanes, func(lo *lobby) bool {
		if !closed && lo.awaited() {
			return false
		}
		lo.watcher = nil
		return true
	})
	w.running = len(w.lanes) > 0
	w.blocked = w.running
	return slices.Clone(w.lanes)
}

// handOn passes a wake-up on. A lane on a shared connection gets its own one when it has
// waiters again.
func (w *watcher) handOn(lo *lobby) {
	if !w.alone {
		w.all.mu.Lock()
		if i := slices.Index(w.lanes, lo); i >= 0 {
			w.lanes = slices.Delete(w.lanes, i, i+1)
			lo.watcher = nil
		}
		w.all.mu.Unlock()
	}
	lo.baton()
	if lo.awaited() {
		w.all.join(lo)
	}
}

// quiet moves a lane without wake-ups to a shared connection, so that others may have
// this one.
func (w *watcher) quiet() {
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
	for _, lo := range w.lanes {
		lo.watcher = nil
		if lo.awaited() {
			ws.share(lo)
		}
	}
	w.lanes = nil
}

// await waits for the wake-ups of lanes, for recheck at most: then the error is
// redis.Nil. It returns without a wake-up if the watcher was poked.
func (w *watcher) await(lanes []*lobby) ([]*lobby, error) {
	if w.sweeps {
		return w.sweep(lanes)
	}
	lists := make([]string, 0, len(lanes)+1)
	for _, lo := range lanes {
		lists = append(lists, lo.lane.key(keyWake))
	}
	if w.poke != "" {
		lists = append(lists, w.poke)
	}
	of := func(list string) []*lobby {
		if i := slices.Index(lists, list); i >= 0 && i < len(lanes) {
			return lanes[i : i+1]
		}
		return nil
	}
	list, _, err := w.all.p.block(func(list string) {
		for _, lo := range of(list) {
			lo.baton()
		}
	}, lists...)
	if err != nil {
		return nil, err
	}
	return of(list), nil
}

// blockAnew makes the watcher also wait for new lanes. If that fails it does so within
// recheck.
func (w *watcher) blockAnew() {
	ctx, cancel := context.WithTimeout(w.all.p.ctx, time.Second)
	defer cancel()
	c := &call{script: poke, args: []any{"evalsha", poke.sha, 1, w.poke, pokeLife.Milliseconds()}}
	_, _ = w.all.p.run(ctx, c)
}

// sweep takes the existing batons of lanes.
func (w *watcher) sweep(lanes []*lobby) ([]*lobby, error) {
	p := w.all.p
	if !sleep(p.ctx, min(max(time.Duration(len(lanes))*sweepEach, minSweep), recheck)) {
		return nil, p.ctx.Err()
	}
	var woken []*lobby
	for part := range slices.Chunk(lanes, chunk) {
		took, err := askEach(p, part, func(ctx context.Context, pipe redis.Pipeliner, l *lane) *redis.StringCmd {
			return pipe.LPop(ctx, l.key(keyWake))
		}, func(took []*redis.StringCmd) {
			for i, baton := range took {
				if baton.Err() == nil {
					part[i].baton()
				}
			}
		})
		for i, lo := range part {
			switch {
			case err == nil && took[i].Err() == nil:
				woken = append(woken, lo)
			case err != nil || !errors.Is(took[i].Err(), redis.Nil):
				lo.call() // who looks now will meet the error and return it
			}
		}
	}
	return woken, nil
}

// check checks lanes with waiters, once in recheck, for tasks: a wake-up is lost with a
// process that dies, and other programs send none. Empty lanes are not checked any
// closer.
func (ws *watchers) check() {
	for {
		lanes, wait := ws.due()
		if len(lanes) == 0 && wait <= 0 || !sleep(ws.p.ctx, wait) {
			return
		}
		if len(lanes) == 0 {
			continue
		}
		found, err := askEach(ws.p, lanes, func(ctx context.Context, pipe redis.Pipeliner, l *lane) *redis.IntCmd {
			return pipe.Exists(ctx, l.key(keyBody), l.key(keyInbox), l.key(keySources))
		}, nil)
		for i, lo := range lanes {
			if err != nil || found[i].Err() != nil || found[i].Val() > 0 {
				lo.call()
			}
		}
	}
}

// due returns the lanes to check now, or else how long there are none; neither if there
// are no more waiters.
func (ws *watchers) due() (lanes []*lobby, wait time.Duration) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	now := time.Now()
	for len(ws.checks) > 0 && len(lanes) < chunk {
		next := ws.checks[0]
		if d := next.at.Sub(now); d > checkTogether || d > 0 && len(lanes) == 0 {
			if len(lanes) == 0 {
				wait = d
			}
			return lanes, wait
		}
		ws.checks = ws.checks[1:]
		if next.lobby.checked = next.lobby.awaited(); next.lobby.checked {
			lanes = append(lanes, next.lobby)
			ws.checks = append(ws.checks, check{next.lobby, now.Add(recheck)})
		}
	}
	ws.checking = len(lanes) > 0
	return lanes, 0
}

// askEach sends a command for each lane in one round trip to each server, and waits at
// most recheck. Later answers go to late.
func askEach[C redis.Cmder](p *Provider, lanes []*lobby, ask func(context.Context, redis.Pipeliner, *lane) C, late func([]C)) ([]C, error) {
	client := p.client
	if !p.owned {
		client = p.blocking // that of the program may wait for ever
	}
	ctx, cancel := context.WithTimeout(p.ctx, recheck)
	defer cancel()
	return boundedOr(ctx, nil, 0, func(ctx context.Context) ([]C, error) {
		pipe := client.Pipeline()
		asked := make([]C, len(lanes))
		for i, lo := range lanes {
			asked[i] = ask(ctx, pipe, lo.lane)
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		return asked, nil
	}, late)
}
