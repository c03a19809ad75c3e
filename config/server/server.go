// Package server registers what the section server of a file leads to, with package config: the
// services of package server, for producers and workers in any language, and for operators.
//
//	import _ "github.com/taskgen/taskgen/config/server"
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/catalog"
	"github.com/taskgen/taskgen/server"
)

func init() { config.RegisterServer(build) }

// An API is the server of a program. It is safe for concurrent use.
type API struct {
	// Server is what it serves.
	Server *server.Server
	// Addr is the address that it listens on.
	Addr net.Addr

	listener net.Listener
	audit    *server.AuditLog // nil: there is none
	log      *slog.Logger
}

// Of returns the server of a program, or nil if the program has none.
func Of(p *config.Program) *API {
	if p.Server == nil {
		return nil
	}
	a, _ := p.Server.Made.(*API)
	return a
}

func build(ctx context.Context, c config.ServerConfig, p *config.Program, types []config.TaskType, deps config.Deps) (*config.API, error) {
	cfg := server.Config{Manager: p.Manager, Fleet: p.Fleet, History: p.History, Results: p.Results, MaxRequest: int(c.MaxRequest), Logger: deps.Logger, Providers: p.Providers}
	if p.Scheduler != nil {
		cfg.Scheduler = p.Scheduler
	}
	for _, t := range types {
		cfg.Types = append(cfg.Types, t)
	}
	var err error
	if c.Catalog != "" {
		if cfg.Catalog, err = catalog.Load(c.Catalog); err != nil {
			return nil, err
		}
	}
	for name, t := range c.Tokens {
		cfg.Tokens = append(cfg.Tokens, server.Token{Name: name, Role: server.Role(t.Role), Secret: t.Secret.Reveal()})
	}
	if cfg.TLS, err = secured(c); err != nil {
		return nil, err
	}
	a := &API{log: cmp.Or(deps.Logger, slog.Default())}
	if c.Audit != "" {
		if a.audit, err = server.OpenAuditLog(c.Audit); err != nil {
			return nil, err
		}
		cfg.AuditLog = a.audit
	}
	if err := a.listen(ctx, cfg, c.Listen); err != nil {
		return nil, errors.Join(err, a.audit.Close())
	}
	return &config.API{Run: a.run, Close: a.close, Made: a}, nil
}

// listen makes the server, which takes its address.
func (a *API) listen(ctx context.Context, cfg server.Config, address string) (err error) {
	if a.Server, err = server.New(cfg); err != nil {
		return err
	}
	if a.listener, err = a.Server.Listen(ctx, address); err != nil {
		return errors.Join(err, a.Server.Close())
	}
	a.Addr = a.listener.Addr()
	return nil
}

// secured is the TLS of a section; nil for none.
func secured(c config.ServerConfig) (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.X509KeyPair([]byte(c.TLSCert), []byte(c.TLSKey.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("tls_cert and tls_key: %w", err)
	}
	t := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.TLSClientCA == "" {
		return t, nil
	}
	t.ClientCAs, t.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !t.ClientCAs.AppendCertsFromPEM([]byte(c.TLSClientCA)) {
		return nil, errors.New("tls_client_ca: there is no certificate in it: write PEM, or name a file of it with tls_client_ca_file")
	}
	return t, nil
}

func (a *API) run(ctx context.Context) error {
	a.log.InfoContext(ctx, "the API is served", "address", a.Addr.String())
	return a.Server.ServeOn(ctx, a.listener)
}

// close frees the address of a server that was never run, and gives back the tasks that it has
// handed out.
func (a *API) close() error {
	err := a.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(a.Server.Close(), err, a.audit.Close())
}
