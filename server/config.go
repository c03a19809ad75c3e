package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A Type is a type of tasks that the server accepts and shows: a *runtime.Spec.
type Type interface {
	Policy() runtime.Policy
	NewTaskJSON(payload []byte, now time.Time, opts ...runtime.EnqueueOption) (*runtime.Task, error)
}

// Config says what a Server serves, and to whom. Manager is required.
type Config struct {
	// Manager has the queues.
	Manager *runtime.Manager
	// Types of the tasks: &tasks.MailSpec and the like.
	Types []Type
	// Providers are those on which QueueAdminService may create queues, by the names that
	// requests give. None: it creates no queues.
	Providers map[string]runtime.Provider
	// Catalog describes types that Types lacks, as package catalog loads it. The server accepts
	// enqueues of these and of types that the fleet describes, as far as a task can be made of
	// the description; of any other type it accepts none, and shows no payloads.
	Catalog fleet.Types
	// Scheduler keeps the jobs. Nil: SchedulerService answers with the code unimplemented.
	Scheduler schedule.Scheduler
	// Fleet shows the workers, and describes types that Types lacks. Nil: none are shown.
	Fleet *fleet.Fleet
	// History shows the runs of tasks. Nil: none are shown.
	History *history.History
	// Results keeps what Complete is given, and is what AwaitResult waits for. Name it in
	// ManagerConfig.Results as well, so that an ID that is used again begins without the
	// earlier outcome. Nil: results are dropped, and AwaitResult answers with the code
	// unimplemented.
	Results driver.ResultStore
	// Tokens of the callers. None: anybody who reaches the server may do anything, and it
	// listens on loopback alone.
	Tokens []Token
	// TLS of the server, for mutual TLS with ClientAuth and ClientCAs. Nil: it speaks HTTP
	// without TLS, which is for loopback and for a proxy in front of it.
	TLS *tls.Config
	// MaxRequest bounds the bytes of a request. 0: 4 MiB.
	MaxRequest int
	// AuditLog keeps a record of each call that changes something or was refused, and admins
	// read them by ListAuditRecords. Nil: the last 10,000 are kept in memory.
	AuditLog *AuditLog
	// Audit receives these records as well, each once its call is over. Nil: they are logged at
	// level info. Of many refused calls only some have a record.
	Audit func(AuditRecord)
	// Logger of failures. Nil: slog.Default, as it is at the time of each record.
	Logger *slog.Logger
}

const defaultMaxRequest = 4 << 20

func (c *Config) check() error {
	if c.Manager == nil {
		return errors.New("server: Config.Manager is required: it has the queues")
	}
	seen := make(map[string]bool)
	if c.MaxRequest < 0 {
		return fmt.Errorf("server: Config.MaxRequest is %d: it is a number of bytes, or 0 for the default", c.MaxRequest)
	}
	for i, t := range c.Types {
		if t == nil {
			return fmt.Errorf("server: Config.Types[%d] is nil: give the spec of a type", i)
		}
		p := t.Policy()
		for _, name := range append([]string{p.Type}, p.Aliases...) {
			if name == "" || seen[name] {
				return fmt.Errorf("server: Config.Types has the type %q twice, or one without a name", name)
			}
			seen[name] = true
		}
	}
	seen = make(map[string]bool)
	for i := range c.Catalog {
		for _, name := range append([]string{c.Catalog[i].Name}, c.Catalog[i].Aliases...) {
			if name == "" || seen[name] {
				return fmt.Errorf("server: Config.Catalog has the type %q twice, or one without a name: load it with package catalog", name)
			}
			seen[name] = true
		}
	}
	return checkTokens(c.Tokens)
}

func (s *Server) log() *slog.Logger {
	if s.cfg.Logger != nil {
		return s.cfg.Logger
	}
	return slog.Default()
}
