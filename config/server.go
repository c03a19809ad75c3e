package config

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/taskgen/taskgen/internal/address"
	"github.com/taskgen/taskgen/runtime"
)

// ServerConfig says where a program serves its API, and to whom: see package server. The zero
// value: nowhere. A program that sets it imports package config/server.
type ServerConfig struct {
	Listen      string                 `config:"listen" default:"none: nothing is served" doc:"host and port of gRPC, gRPC-Web and JSON over HTTP, like 127.0.0.1:7460. Without tokens it is an address of this machine alone"`
	Tokens      map[string]TokenConfig `config:"tokens" default:"none: whoever reaches the server may do anything" doc:"the callers, by names of your choice, which audit records have"`
	TLSCert     string                 `config:"tls_cert" file:"true" default:"none: HTTP without TLS" doc:"certificate of the server and those that lead from it to a root, as PEM; read when the program starts"`
	TLSKey      Secret                 `config:"tls_key" file:"true" doc:"private key of the certificate, as PEM"`
	TLSClientCA string                 `config:"tls_client_ca" file:"true" default:"none: callers need no certificate" doc:"certificates as PEM, of which one must have signed that of each caller; a token is needed all the same"`
	Audit       string                 `config:"audit" default:"none: the last 10,000 records are kept in memory" doc:"file to which a line of JSON is appended for each call that changes something or is refused, and which admins read by ListAuditRecords; for one program at a time"`
	Catalog     string                 `config:"catalog" default:"none: the program's own types, and those that workers describe in the fleet" doc:"file with descriptions of types whose code the program does not have, which taskgen -catalog writes; read when the program starts"`
	MaxRequest  Bytes                  `config:"max_request" default:"4MiB" doc:"size of the largest request"`
}

// TokenConfig is a caller of the server.
type TokenConfig struct {
	Role   string `config:"role" enum:"viewer,operator,admin" doc:"what the caller may do: look, also enqueue, work and steer queues, tasks and jobs, or everything; required"`
	Secret Secret `config:"secret" file:"true" doc:"the token, which the caller sends as Authorization: Bearer; at least 16 random bytes; required"`
}

// minToken is the length of the shortest token.
const minToken = 16

// A TaskType is a type of tasks that the section server lets others enqueue: a *runtime.Spec.
type TaskType interface {
	Policy() runtime.Policy
	NewTaskJSON(payload []byte, now time.Time, opts ...runtime.EnqueueOption) (*runtime.Task, error)
}

// An API is what package config/server makes of its section.
type API struct {
	// Run serves until ctx ends, and then ends the calls that it has begun. An error before that
	// stops the program.
	Run func(ctx context.Context) error
	// Close frees what was taken when this was made. It is called before the manager is closed,
	// also after Run.
	Close func() error
	// Made is what the package hands to Go code, by its function Of.
	Made any
}

// RegisterServer makes known what the section server leads to. Package config/server calls it
// when it is imported. p has its manager, pool, scheduler, fleet, history and results; types are
// Code.Types. It panics if it was called before.
func RegisterServer(build func(ctx context.Context, c ServerConfig, p *Program, types []TaskType, deps Deps) (*API, error)) {
	builders.mu.Lock()
	defer builders.mu.Unlock()
	if builders.server != nil {
		panic("config: the section server is registered twice")
	}
	builders.server = build
}

// checkServer reports what is wrong with the section server.
func (c *Config) checkServer(report func(path, format string, args ...any)) {
	s := c.Server
	if c.lacks("server", "listen") {
		report("server", "the section server has no address: set its key listen, to 127.0.0.1:7460, say")
	}
	if s.Listen == "" {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tokens)) {
		s.Tokens[name].check(func(format string, args ...any) { report("server.tokens."+name, format, args...) }, name, s.Tokens)
	}
	if (s.TLSCert == "") != (s.TLSKey.Reveal() == "") {
		report("server", "the section server has one of tls_cert and tls_key, and TLS needs both")
	}
	if s.TLSClientCA != "" && s.TLSCert == "" {
		report("server.tls_client_ca", "server.tls_client_ca: certificates of callers need TLS: set tls_cert and tls_key, too")
	}
	switch host, ok := listenHost(s.Listen); {
	case !ok:
		report("server.listen", "server.listen: write a host and a port, like 127.0.0.1:7460, or :7460 for all addresses")
	case len(s.Tokens) == 0 && !address.Loopback(host):
		report("server.listen", "server.listen: %s can be reached from other machines, and there are no tokens: set server.tokens, or listen on 127.0.0.1", s.Listen)
	}
	builders.mu.RLock()
	defer builders.mu.RUnlock()
	if builders.server == nil {
		report("server", "what the section server needs is not linked into this program: add %s", importOf("server"))
	}
}

// check reports what is wrong with one of the tokens.
func (t TokenConfig) check(report func(format string, args ...any), name string, all map[string]TokenConfig) {
	if t.Role == "" {
		report("token %s has no role: set its key role to viewer, operator or admin", name)
	}
	switch secret := t.Secret.Reveal(); {
	case secret == "":
		report("token %s has no secret: set its key secret or secret_file", name)
	case len(secret) < minToken:
		report("token %s has a secret of %d bytes: make one of at least %d random ones", name, len(secret), minToken)
	default:
		for _, other := range slices.Sorted(maps.Keys(all)) {
			if other < name && all[other].Secret.Reveal() == secret {
				report("token %s has the secret of token %s: a caller is known by it", name, other)
			}
		}
	}
}

// serve makes what the section server names.
func (b *builder) serve(ctx context.Context) error {
	if b.c.Server.Listen == "" {
		return nil
	}
	builders.mu.RLock()
	build := builders.server
	builders.mu.RUnlock()
	api, err := build(ctx, b.c.Server, b.p, b.code.Types, Deps{Logger: b.log})
	if err != nil {
		return b.failed("server", err)
	}
	b.p.Server = api
	return nil
}

// close frees what the section server has taken.
func (a *API) close() error {
	if a == nil || a.Close == nil {
		return nil
	}
	if err := a.Close(); err != nil {
		return fmt.Errorf("close server: %w", err)
	}
	return nil
}
