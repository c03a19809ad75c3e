package config_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/observe"
)

// served is what the section server leads to in a test, in place of what example_server_test.go
// shows.
var served func(c config.ServerConfig, p *config.Program, types []config.TaskType) (*config.API, error)

const twoTokens = `
providers: {main: {url: 'memory:'}}
server:
  listen: ":7460"
  max_request: 1MiB
  tokens:
    shop: {role: operator, secret: CANARY-0123456789}
    desk:
      role: viewer
      secret_file: %s
`

func TestTheTokensOfTheServerComeFromTheFileAndTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("CANARY-desk-0123456789\n"), 0o600))
	t.Setenv("TASKGEN_SERVER_TOKENS_ON_CALL_ROLE", "admin")
	t.Setenv("TASKGEN_SERVER_TOKENS_ON_CALL_SECRET_FILE", path)
	t.Setenv("TASKGEN_SERVER_TOKENS_SHOP_ROLE", "viewer")
	t.Setenv("TASKGEN_SERVER_TOKENS_DESK_SECRET", "CANARY-other-0123456789")
	t.Setenv("TASKGEN_SERVER_LISTEN", "127.0.0.1:7461")
	s := parse(t, fmt.Sprintf(twoTokens, path)).Server
	assert.Equal(t, "127.0.0.1:7461", s.Listen)
	assert.Equal(t, config.Bytes(1<<20), s.MaxRequest)
	got := make(map[string]string)
	for name, token := range s.Tokens {
		got[name] = token.Role + " " + token.Secret.Reveal()
	}
	assert.Equal(t, map[string]string{"shop": "viewer CANARY-0123456789", "desk": "viewer CANARY-other-0123456789", "on_call": "admin CANARY-desk-0123456789"}, got)
	for how, text := range printings(t, s) {
		assert.NotContains(t, text, "CANARY", how)
		assert.NotContains(t, text, "43414e415259", how)
	}
}

func TestWhatIsWrongWithTheServerIsSaidWithItsPosition(t *testing.T) {
	const head = "providers: {main: {url: 'memory:'}}\nserver:\n"
	for text, want := range map[string]string{
		"  max_request: 1MiB": "tasks.yaml:2:1: the section server has no address: set its key listen, to 127.0.0.1:7460, say",
		"  listen: seven":     "tasks.yaml:3:3: server.listen: write a host and a port, like 127.0.0.1:7460, or :7460 for all addresses",
		"  listen: :7460":     "tasks.yaml:3:3: server.listen: :7460 can be reached from other machines, and there are no tokens: set server.tokens, or listen on 127.0.0.1",
		"  listen: 127.0.0.1:7460\n  tokens:\n    a: {secret: CANARY-0123456789}":                                                                 "tasks.yaml:5:5: token a has no role: set its key role to viewer, operator or admin",
		"  listen: 127.0.0.1:7460\n  tokens:\n    a: {role: viewer}":                                                                              "tasks.yaml:5:5: token a has no secret: set its key secret or secret_file",
		"  listen: 127.0.0.1:7460\n  tokens:\n    a: {role: viewer, secret: CANARY}":                                                              "tasks.yaml:5:5: token a has a secret of 6 bytes: make one of at least 16 random ones",
		"  listen: 127.0.0.1:7460\n  tokens:\n    b: {role: viewer, secret: CANARY-0123456789}\n    a: {role: viewer, secret: CANARY-0123456789}": "tasks.yaml:5:5: token b has the secret of token a: a caller is known by it",
		"  listen: 127.0.0.1:7460\n  tokens:\n    a:\n      role: boss\n      secret: CANARY-0123456789":                                          "tasks.yaml:6:13: server.tokens.a.role: write viewer or operator or admin",
		"  listen: 127.0.0.1:7460\n  tokens:\n    a:\n      rôle: viewer\n      role: viewer\n      secret: CANARY-0123456789":                    `tasks.yaml:6:7: there is no key "rôle" in server.tokens.a: did you mean role?`,
		"  listen: 127.0.0.1:7460\n  tokens: [CANARY]":                                                                                            "tasks.yaml:4:11: server.tokens must be a mapping of keys to values",
		"  listen: 127.0.0.1:7460\n  tls_cert: x":                                                                                                 "tasks.yaml:2:1: the section server has one of tls_cert and tls_key, and TLS needs both",
		"  listen: 127.0.0.1:7460\n  tls_key: CANARY":                                                                                             "tasks.yaml:2:1: the section server has one of tls_cert and tls_key, and TLS needs both",
		"  listen: 127.0.0.1:7460\n  tls_client_ca: x":                                                                                            "tasks.yaml:4:3: server.tls_client_ca: certificates of callers need TLS: set tls_cert and tls_key, too",
	} {
		_, err := config.Parse("tasks.yaml", []byte(head+text))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "CANARY")
		assert.Equal(t, 1, strings.Count(err.Error(), "tasks.yaml:"), "one mistake is one error: %s", err)
	}
}

func TestWrongVariablesOfTokensAreErrors(t *testing.T) {
	t.Setenv("TASKGEN_PROVIDERS_MAIN_URL", "memory:")
	t.Setenv("TASKGEN_SERVER_TOKENS_SHOP_SECRT", "CANARY-0123456789")
	t.Setenv("TASKGEN_SERVER_TOKENS", "CANARY")
	_, err := config.FromEnvironment()
	require.ErrorContains(t, err, "TASKGEN_SERVER_TOKENS_SHOP_SECRT: there is no such variable: write TASKGEN_SERVER_TOKENS_NAME_ and one of ROLE, SECRET")
	require.ErrorContains(t, err, "TASKGEN_SERVER_TOKENS: there is no such variable")
	assert.NotContains(t, err.Error(), "CANARY")
}

func TestAServerWithoutTokensIsForThisMachineAlsoIfCodeConfiguresIt(t *testing.T) {
	c := config.Config{Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}}, Server: config.ServerConfig{Listen: "0.0.0.0:0"}}
	_, err := c.Build(t.Context(), config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}})
	require.ErrorContains(t, err, "server.listen: 0.0.0.0:0 can be reached from other machines, and there are no tokens")
	for _, listen := range []string{"127.0.0.1:0", "localhost:0", "[::1]:0"} {
		c.Server.Listen = listen
		p, err := c.Build(t.Context(), config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}})
		require.NoError(t, err, listen)
		require.NoError(t, p.Close())
	}
}

func TestTheServerHasAnsweredItsCallsBeforeTheManagerIsClosed(t *testing.T) {
	var d diary
	answered := make(chan struct{})
	served = func(_ config.ServerConfig, p *config.Program, types []config.TaskType) (*config.API, error) {
		d.note("made with manager %t, results %t, scheduler %t, %d types", p.Manager != nil, p.Results != nil, p.Scheduler != nil, len(types))
		return &config.API{
			Run: func(ctx context.Context) error {
				d.note("serves")
				<-ctx.Done()
				d.note("takes no more calls")
				<-answered // as the pool's last task does
				d.note("answered")
				return nil
			},
			Close: func() error { d.note("closed"); return nil },
			Made:  "API",
		}, nil
	}
	t.Cleanup(func() { served = nil })
	code := mailCode(sent)
	code.Queues, code.Types = code.Queues[:1], []config.TaskType{&mailSpec}
	code.Listeners = []*observe.Listener{{
		PoolStopped: func(*observe.Pool) { d.note("pool stopped"); close(answered) },
		QueueClosed: func(*observe.Queue) { d.note("queue closed") },
	}}
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}\nscheduler: {enabled: true}\nserver: {listen: '127.0.0.1:0'}\n"), code)
	require.Equal(t, "API", p.Server.Made)
	stop := run(t, p)
	answer, err := runtime.Enqueue(within(t), p.Manager, &mailSpec, &mail{To: "ada"})
	require.NoError(t, err)
	_, err = p.Results.Await(within(t), answer.ID)
	require.NoError(t, err)
	require.NoError(t, stop())
	require.NoError(t, p.Close())
	d.mu.Lock()
	defer d.mu.Unlock()
	require.Contains(t, d.all, "takes no more calls")
	assert.Equal(t, []string{"made with manager true, results true, scheduler true, 1 types", "serves"}, d.all[:2])
	assert.Equal(t, []string{"answered", "closed", "queue closed"}, d.all[len(d.all)-3:], "%v", d.all)
}

func TestAFailureOfTheServerStopsTheProgram(t *testing.T) {
	broken := errors.New("the network is down")
	served = func(config.ServerConfig, *config.Program, []config.TaskType) (*config.API, error) {
		return &config.API{Run: func(context.Context) error { return broken }, Close: func() error { return net.ErrClosed }}, nil
	}
	t.Cleanup(func() { served = nil })
	c := parse(t, "providers: {main: {url: 'memory:'}}\nserver: {listen: '127.0.0.1:0'}\n")
	code := mailCode(sent)
	code.Queues = code.Queues[:1]
	p, err := c.Build(within(t), code)
	require.NoError(t, err)
	err = p.Run(within(t))
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, net.ErrClosed, "what it says when it is closed is not lost")

	served = func(config.ServerConfig, *config.Program, []config.TaskType) (*config.API, error) { return nil, broken }
	_, err = c.Build(within(t), code)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, ":2:1: ", "the position of the section")
}
