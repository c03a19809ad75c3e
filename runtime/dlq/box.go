package dlq

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Box works on the dead letters of one queue or of a store. It is safe for concurrent
// use.
type Box struct {
	m       *runtime.Manager
	name    string // of the queue, for errors
	backend backend
	cfg     Config
}

// Types knows types of tasks: a *runtime.Router, or what knows them without handlers. It is
// safe for concurrent use.
type Types interface {
	// Policy returns the policy of a type, by its name or an alias, and false if the type is
	// unknown. A box uses its Type, Schema and Secrets.
	Policy(taskType string) (runtime.Policy, bool)
}

// Config configures a Box. The zero value is ready to use.
type Config struct {
	// Router knows the task types: which of their fields are secret, and the schema of
	// their payloads. Payloads of unknown types are not shown. Nil: every type is
	// unknown.
	Router Types
	// Provider is the provider that the queue was opened on. It is needed only where the
	// queue cannot list its dead letters (Capabilities.Browse). Reading any letter then
	// receives all letters on the dead letter queue, up to MaxReceived, and gives them
	// back. That costs a receive and a release for each letter, raises the broker's own
	// count of receives, changes their order, and hides them from others meanwhile, for
	// 30 s if the process dies.
	Provider runtime.Provider
	// PageSize bounds what one round trip reads; DefaultPageSize when 0.
	PageSize int
}

// DefaultPageSize is how many dead letters one round trip reads.
const DefaultPageSize = 100

func (c Config) pageSize() int {
	if c.PageSize <= 0 {
		return DefaultPageSize
	}
	return c.PageSize
}

// Open returns the box of a queue that m has open: the queue on which tasks died, not its
// dead letter queue. The error wraps runtime.ErrUnknownQueue.
func Open(m *runtime.Manager, queue string, cfg Config) (*Box, error) {
	q, err := m.Queue(queue)
	if err != nil {
		return nil, err
	}
	b := &Box{m: m, name: queue, cfg: cfg}
	on := queueBackend{q: q, page: cfg.pageSize()}
	if b.backend = &on; !q.Capabilities().Browse && cfg.Provider != nil {
		b.backend = &receiveBackend{queueBackend: on, p: cfg.Provider}
	}
	return b, nil
}

// List returns up to limit letters that f matches after the cursor, in the order of their
// deaths, and the cursor of the next page, empty after the last. The first page has the
// cursor "". The error wraps runtime.ErrUnsupported if the queue can list only by
// receiving and the box has no Config.Provider.
func (b *Box) List(ctx context.Context, f Filter, cursor string, limit int) (page []Letter, next string, err error) {
	if limit <= 0 {
		return nil, "", fmt.Errorf("list dead letters: the limit must be positive, not %d", limit)
	}
	for len(page) < limit {
		// No more than fit on the page, or the cursor would be past them.
		tasks, more, err := b.backend.browse(ctx, cursor, min(limit-len(page), b.backend.pageSize()))
		if err != nil {
			return nil, "", err
		}
		for _, t := range tasks {
			if l := b.letter(t); f.Matches(&l) {
				page = append(page, l)
			}
		}
		if cursor = more; cursor == "" {
			break
		}
	}
	return page, cursor, nil
}

func (b *Box) letter(t *runtime.Task) Letter {
	policy, known := b.policy(t.Type)
	return letter(t, policy.Secrets, !known)
}

func (b *Box) policy(taskType string) (runtime.Policy, bool) {
	if r, ok := b.cfg.Router.(*runtime.Router); b.cfg.Router == nil || ok && r == nil {
		return runtime.Policy{}, false
	}
	return b.cfg.Router.Policy(taskType)
}

// All returns an iterator over the letters that f matches, in the order of their deaths.
// It reads Config.PageSize letters at a time, or all at once where they have to be
// received. The loop may redrive, edit or discard the current letter. Letters that arrive
// meanwhile may or may not appear. An error ends the iteration and comes with the zero
// Letter; see List.
func (b *Box) All(ctx context.Context, f Filter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for t, err := range b.tasks(ctx) {
			if err != nil {
				yield(Letter{}, err)
				return
			}
			if l := b.letter(t); f.Matches(&l) && !yield(l, nil) {
				return
			}
		}
	}
}

// tasks iterates over the dead tasks, page by page.
func (b *Box) tasks(ctx context.Context) iter.Seq2[*runtime.Task, error] {
	return driver.Paged(func(cursor string) ([]*runtime.Task, string, error) {
		return b.backend.browse(ctx, cursor, b.backend.pageSize())
	})
}

// Groups returns the groups of the letters that f matches, the largest first. It reads
// all letters.
func (b *Box) Groups(ctx context.Context, f Filter) ([]Group, error) {
	g := make(groups)
	for l, err := range b.All(ctx, f) {
		if err != nil {
			return nil, err
		}
		g.add(&l)
	}
	return g.sorted(), nil
}

// Show returns one letter, by its Letter.Ref or by the ID of its task; of several letters
// with the ID, the first to die. On queues that are Finders and in stores this takes one
// step, however many letters there are; elsewhere it reads letters until it finds the
// right one. The error wraps runtime.ErrTaskNotFound.
func (b *Box) Show(ctx context.Context, id string) (Letter, error) {
	t, err := b.find(ctx, id)
	if err != nil {
		return Letter{}, err
	}
	return b.letter(t), nil
}

// find returns the letter that id names: in one step where the queue or store can, else
// by reading letters until it appears.
func (b *Box) find(ctx context.Context, id string) (*runtime.Task, error) {
	a := parseRef(id)
	switch s := b.backend.(type) {
	case *storeBackend:
		if t, err := s.store.Get(ctx, a.id); err != nil || a.matches(t) {
			return t, err
		}
		return nil, b.notFound(id)
	case *queueBackend:
		if f, ok := s.q.(driver.Finder); ok {
			return b.lookUp(ctx, f, id, a)
		}
	}
	for t, err := range b.tasks(ctx) {
		if err != nil || a.matches(t) {
			return t, err
		}
	}
	return nil, b.notFound(id)
}

func (b *Box) notFound(id string) error {
	return fmt.Errorf("%w: no dead letter of %s has the ID %s", runtime.ErrTaskNotFound, b.name, id)
}

// lookUp returns the letter that a names; of several, the first to die.
func (b *Box) lookUp(ctx context.Context, f driver.Finder, id string, a letterRef) (*runtime.Task, error) {
	all, err := f.Find(ctx, a.id)
	if err != nil {
		return nil, fmt.Errorf("find dead letter %s of queue %q: %w", id, b.name, err)
	}
	for _, t := range all {
		if t.State == driver.Dead && a.matches(t.Task) {
			return t.Task, nil
		}
	}
	return nil, b.notFound(id)
}

// Export writes the letters that f matches as lines of JSON, redacted, and returns how
// many there were.
func (b *Box) Export(ctx context.Context, f Filter, w io.Writer) (n int, err error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for l, err := range b.All(ctx, f) {
		if err == nil {
			err = enc.Encode(&l)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
