package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// patience is how long a server may take until it answers. RabbitMQ takes 4
	// seconds on an idle machine.
	patience = 2 * time.Minute
	// attempts are made to start a server, each with other ports: somebody else
	// may take a port between the moment it is chosen and the server's bind.
	attempts = 5
)

// A Server is a running broker. Its methods are safe for use by many goroutines.
type Server struct {
	// URL is where clients connect to. It stays the same through restarts.
	URL string

	external string // the environment variable that named the server
	dir      string
	kept     *os.File // locked while the server uses a folder that stays; nil: dir is removed
	guard    *guard

	mu      sync.Mutex
	daemons []*daemon
	stopped bool
}

// A plan says what a server is made of.
type plan struct {
	url     string
	daemons []*daemon // in the order of their start
}

// start starts what lay lays out in a new folder, and waits until it answers.
// It is called again, with another folder, when a port was taken.
func start(name string, lay func(dir string) (plan, error)) (*Server, error) {
	return startIn("", name, lay)
}

// startIn is start in a folder that is there and stays. An empty one: a new one.
func startIn(dir, name string, lay func(dir string) (plan, error)) (*Server, error) {
	for n := 1; ; n++ {
		s, err := startOnce(dir, name, lay)
		if err == nil {
			return s, nil
		}
		if n == attempts || !errors.Is(err, errEnded) {
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
	}
}

func startOnce(dir, name string, lay func(dir string) (plan, error)) (_ *Server, err error) {
	s := &Server{dir: dir}
	if dir == "" {
		s.dir, err = os.MkdirTemp("", "taskgen-"+name+"-")
	} else {
		s.kept, err = lock(filepath.Join(dir, "lock"))
	}
	if err != nil {
		return nil, err
	}
	dir = s.dir
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.guard, err = newGuard(dir, s.kept); err != nil {
		return nil, err
	}
	p, err := lay(dir)
	if err != nil {
		return nil, err
	}
	s.URL, s.daemons = p.url, p.daemons
	return s, s.up()
}

// external is the server that an environment variable names, or nil.
func external(variable string) *Server {
	if url := os.Getenv(variable); url != "" {
		return &Server{URL: url, external: variable}
	}
	return nil
}

// Kill ends the server with SIGKILL and waits for its end. Its data stay, for
// [Server.Restart]. To kill a server that does not run is no error.
//
// RabbitMQ notes a new quorum queue on disk half a second after it has declared
// it. A queue that was declared in the last moments before a kill comes back
// broken: its operations time out.
func (s *Server) Kill() error {
	if err := s.ours("kill"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down()
}

// Freeze stops the server's processes where they are: connections stay, and nothing
// answers. Thaw lets them go on. A frozen server can be killed, and must be thawed
// before it is restarted.
func (s *Server) Freeze() error { return s.signal("freeze", freeze) }

// Thaw ends Freeze. A server that is not frozen goes on as it was.
func (s *Server) Thaw() error { return s.signal("thaw", thaw) }

func (s *Server) signal(what string, send func(*process) error) error {
	if err := s.ours(what); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.daemons {
		if err := send(&d.process); err != nil {
			return fmt.Errorf("testserver: %s %s: %w", what, d.name, err)
		}
	}
	return nil
}

// Restart stops the server in good order if it runs, starts it again on the same
// port and the same data, and waits until it answers.
func (s *Server) Restart() error {
	if err := s.ours("restart"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopped
	}
	if err := s.end(); err != nil {
		return err
	}
	return s.up()
}

// end stops the daemons in good order, the last one first.
func (s *Server) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, d := range slices.Backward(s.daemons) {
		if err := d.stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the server and removes its data, unless [Keep] has started it. It may be
// called more than once, and leaves alone a server that the environment named.
func (s *Server) Stop() error {
	if s.external != "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	var err error
	if s.kept != nil {
		err = s.end()
	}
	err = errors.Join(err, s.down())
	if s.guard != nil {
		err = errors.Join(err, s.guard.close())
		s.guard = nil
	}
	if s.kept != nil {
		return errors.Join(err, s.kept.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// A Member is one of the processes that a server is made of, as RedisCluster's is.
type Member struct {
	s *Server
	i int
}

// Member returns the one with that number, in the order of their start.
func (s *Server) Member(i int) Member { return Member{s, i} }

// Kill ends the member with SIGKILL and waits for its end.
func (m Member) Kill() error {
	return m.do("kill", func(d *daemon) error { return errors.Join(d.kill(), m.s.guard.watch(m.s.daemons)) })
}

// Restart stops the member in good order if it runs, starts it on its port and its data,
// and waits until it answers.
func (m Member) Restart() error {
	return m.do("restart", func(d *daemon) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.stop(ctx); err != nil {
			return err
		}
		return m.s.begin(ctx, d)
	})
}

// Freeze is [Server.Freeze] for the member alone.
func (m Member) Freeze() error {
	return m.do("freeze", func(d *daemon) error { return freeze(&d.process) })
}

// Thaw ends Freeze.
func (m Member) Thaw() error { return m.do("thaw", func(d *daemon) error { return thaw(&d.process) }) }

func (m Member) do(what string, act func(d *daemon) error) error {
	if err := m.s.ours(what); err != nil {
		return err
	}
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.s.stopped {
		return errStopped
	}
	return act(m.s.daemons[m.i])
}

func (s *Server) ours(what string) error {
	if s.external == "" {
		return nil
	}
	return fmt.Errorf("testserver: %s names a server that runs already, which is not the tests' to %s: unset it, and they start one of their own", s.external, what)
}

// up starts the daemons one after the other, each when the one before answers.
func (s *Server) up() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, d := range s.daemons {
		if err := s.begin(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// begin starts a daemon, and waits until it answers.
func (s *Server) begin(ctx context.Context, d *daemon) error {
	if err := d.start(s.dir, func() error { return s.guard.watch(s.daemons) }); err != nil {
		return err
	}
	return d.await(ctx)
}

// down kills the daemons, the last one first.
func (s *Server) down() error {
	var errs []error
	for i := len(s.daemons) - 1; i >= 0; i-- {
		errs = append(errs, s.daemons[i].kill())
	}
	if s.guard != nil {
		errs = append(errs, s.guard.watch(s.daemons))
	}
	return errors.Join(errs...)
}

var errStopped = errors.New("testserver: the server was stopped, and its data are gone")

// errEnded is what a server's start fails with when its process has ended before
// it answered.
var errEnded = errors.New("it has ended")

// A daemon is one process of a server.
type daemon struct {
	name string // of its log file
	argv []string
	env  []string // beside what this process has; a later entry wins
	// ready says whether the daemon answers, and that it is this one which does:
	// somebody else's may listen on its port. It is asked until it returns nil.
	ready func(ctx context.Context, d *daemon) error

	process
}

// await returns when the daemon answers, or has ended, or ctx has.
func (d *daemon) await(ctx context.Context) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := d.ready(once, d)
		cancel()
		if err == nil {
			return nil
		}
		if how, ended := d.ended(); ended {
			return fmt.Errorf("%w (%s) before it answered; the end of its log:\n%s", errEnded, how, d.tail())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; the end of its log:\n%s", d.name, err, d.tail())
		case <-again.C:
		}
	}
}

func (d *daemon) start(dir string, started func() error) error {
	log, err := os.OpenFile(filepath.Join(dir, d.name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.log = log.Name()
	return d.process.start(d.argv, d.env, dir, log, started)
}

// tail is the end of what the daemon has written.
func (d *daemon) tail() string {
	const enough = 2000
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-enough):])
}
