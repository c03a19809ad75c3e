package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"connectrpc.com/authn"
	"connectrpc.com/connect"

	"github.com/taskgen/taskgen/internal/address"
)

// A Role says which methods a caller may use. Each has what the ones before it have.
type Role string

// The roles.
const (
	// Viewer may look: queues, redacted tasks, workers, types and jobs.
	Viewer Role = "viewer"
	// Operator may enqueue, handle tasks, await results, and steer jobs.
	Operator Role = "operator"
	// Admin may do everything.
	Admin Role = "admin"
)

// rank orders the roles; 0 is none of them.
func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Operator:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// A Token lets its bearer call a server: "Authorization: Bearer " and the secret.
type Token struct {
	// Name of the caller, for audit records.
	Name string
	// Role of the caller.
	Role Role
	// Secret is the token itself, of at least 16 bytes.
	Secret string `json:"-"`
}

// String is the token without its secret.
func (t Token) String() string { return fmt.Sprintf("%s (%s)", t.Name, t.Role) }

// GoString is String.
func (t Token) GoString() string { return t.String() }

const minSecret = 16

func checkTokens(tokens []Token) error {
	names, secrets := make(map[string]bool), make(map[string]bool)
	for _, t := range tokens {
		switch {
		case t.Name == "" || names[t.Name]:
			return fmt.Errorf("server: the token %q needs a name of its own", t.Name)
		case t.Role.rank() == 0:
			return fmt.Errorf("server: the token %q has the role %q: it is %s, %s or %s", t.Name, t.Role, Viewer, Operator, Admin)
		case len(t.Secret) < minSecret:
			return fmt.Errorf("server: the token %q has a secret of %d bytes: make one of at least %d random ones", t.Name, len(t.Secret), minSecret)
		case secrets[t.Secret]:
			return fmt.Errorf("server: the token %q has the secret of another one", t.Name)
		}
		names[t.Name], secrets[t.Secret] = true, true
	}
	return nil
}

// A caller is who makes a call.
type caller struct {
	name string
	role Role
}

// anybody is the caller of a server without tokens.
var anybody = caller{"anonymous", Admin}

// callerOf is who makes the call of a context that has passed authentication.
func callerOf(ctx context.Context) caller {
	c, _ := authn.GetInfo(ctx).(caller)
	return c
}

// authenticated lets in who has a token, before the body of the request is read.
func (s *Server) authenticated(next http.Handler) http.Handler {
	type known struct {
		hash [sha256.Size]byte
		caller
	}
	var all []known
	for _, t := range s.cfg.Tokens {
		all = append(all, known{sha256.Sum256([]byte(t.Secret)), caller{t.Name, t.Role}})
	}
	return authn.NewMiddleware(func(ctx context.Context, r *http.Request) (any, error) {
		if len(all) == 0 {
			return anybody, nil
		}
		token, ok := authn.BearerToken(r)
		if !ok {
			s.unauthenticated(ctx, r.URL.Path, r.RemoteAddr)
			return nil, authn.Errorf("send a token: the header Authorization with Bearer and the token")
		}
		// Hashes are compared, all of them: the time tells nothing about a secret.
		hash, found := sha256.Sum256([]byte(token)), -1
		for i := range all {
			if subtle.ConstantTimeCompare(hash[:], all[i].hash[:]) == 1 {
				found = i
			}
		}
		if found < 0 {
			s.unauthenticated(ctx, r.URL.Path, r.RemoteAddr)
			return nil, authn.Errorf("the server does not know the token")
		}
		return all[found].caller, nil
	}).Wrap(next)
}

// checkAddress refuses to serve everybody beyond this machine.
func (s *Server) checkAddress(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("server: the address %q: %w", listen, err)
	}
	if len(s.cfg.Tokens) > 0 || address.Loopback(host) {
		return nil
	}
	return fmt.Errorf("server: %q can be reached from other machines, and there are no tokens: add tokens, or listen on 127.0.0.1", listen)
}

// localOnly refuses requests to a host of another name. A web page whose own name leads to
// 127.0.0.1 could otherwise make a browser on this machine send them, as to the page's origin.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := url.URL{Host: r.Host}
		if !address.Loopback(u.Hostname()) {
			http.Error(w, "the server has no tokens, and answers on localhost alone", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errRole = errors.New("the role does not allow it")

// authorize checks a call against the role that its method wants. A method without one is
// open to nobody.
func authorize(ctx context.Context, procedure string) error {
	need, ok := access[procedure]
	if !ok {
		return connect.NewError(connect.CodePermissionDenied, fmt.Errorf("%w: %s is open to nobody", errRole, procedure))
	}
	if c := callerOf(ctx); c.role.rank() < need.role.rank() {
		return connect.NewError(connect.CodePermissionDenied, fmt.Errorf("%w: %s wants the role %s, and the token has the role %s", errRole, procedure, need.role, c.role))
	}
	return nil
}
