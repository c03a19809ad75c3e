package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/server"
)

// An unreadBody fails the test when it is read.
type unreadBody struct{ t *testing.T }

func (b unreadBody) Read([]byte) (int, error) {
	b.t.Error("the body has been read")
	return 0, errors.New("the body has been read")
}

func (b unreadBody) Close() error { return nil }

func TestACallerIsRefusedBeforeTheRequestIsRead(t *testing.T) {
	s, err := server.New(server.Config{Manager: managerOf(t), Tokens: tokens(), Audit: func(server.AuditRecord) {}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for _, contentType := range []string{"application/json", "application/proto", "application/grpc", "application/grpc-web+proto"} {
		for token, status := range map[string]int{"": http.StatusUnauthorized, "stranger-0123456789": http.StatusUnauthorized, viewerToken: http.StatusForbidden} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, taskgenv1connect.QueueServiceEnqueueProcedure, unreadBody{t})
			r.ContentLength = 1 << 40
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if strings.HasPrefix(contentType, "application/grpc") {
				status = http.StatusOK // the code is in a trailer
			}
			assert.Equal(t, status, w.Code, "%s of %q", contentType, token)
		}
	}
}

// An endlessBody counts what is read of it.
type endlessBody struct{ read int64 }

func (b *endlessBody) Read(p []byte) (int, error) {
	b.read += int64(len(p))
	return len(p), nil
}

func TestAHugeRequestWithoutATokenIsNotTaken(t *testing.T) {
	s := start(t, server.Config{Tokens: tokens()})
	body := new(endlessBody)
	const size = 1 << 34
	r, err := http.NewRequestWithContext(bounded(t), http.MethodPost, s.url()+taskgenv1connect.QueueServiceEnqueueProcedure, io.LimitReader(body, size))
	require.NoError(t, err)
	r.ContentLength = size
	r.Header.Set("Content-Type", "application/json")
	res, err := s.client().Do(r)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.NoError(t, res.Body.Close())
	assert.Less(t, body.read, int64(64<<20), "what fits into buffers on the way")
}

func TestARequestIsBounded(t *testing.T) {
	s := start(t, server.Config{MaxRequest: 1 << 10})
	for _, speaks := range []connect.ClientOption{connect.WithProtoJSON(), connect.WithGRPC()} {
		_, err := s.monitoring(speaks).GetQueueStats(bounded(t), &v1.GetQueueStatsRequest{Queues: []string{strings.Repeat("a", 1<<10)}})
		assert.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err), err)
		_, err = s.monitoring(speaks).GetQueueStats(bounded(t), &v1.GetQueueStatsRequest{Queues: []string{strings.Repeat("a", 1<<9)}})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err), "a smaller one is read: %v", err)
	}
}

func TestPagesOfOtherOriginsMayCallNothing(t *testing.T) {
	s := start(t, server.Config{})
	post := func(header ...string) int {
		r, err := http.NewRequestWithContext(bounded(t), http.MethodPost, s.url()+taskgenv1connect.QueueMonitoringServiceListTypesProcedure, strings.NewReader("{}"))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := s.client().Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	assert.Equal(t, http.StatusOK, post(), "what is no browser")
	assert.Equal(t, http.StatusOK, post("Sec-Fetch-Site", "same-origin", "Origin", s.url()))
	assert.Equal(t, http.StatusForbidden, post("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"))
	assert.Equal(t, http.StatusForbidden, post("Origin", "https://evil.example"), "an old browser")
}

func TestTokensPrintWithoutTheirSecrets(t *testing.T) {
	token := tokens()[0]
	encoded, err := json.Marshal(token)
	require.NoError(t, err)
	for _, printed := range []string{fmt.Sprint(token), fmt.Sprintf("%+v", token), fmt.Sprintf("%#v", tokens()), string(encoded)} {
		assert.Contains(t, printed, "wall")
		assert.NotContains(t, printed, viewerToken)
	}
}

func TestAConfigMustBeSound(t *testing.T) {
	m := managerOf(t)
	token := func(name string, role server.Role, secret string) server.Token {
		return server.Token{Name: name, Role: role, Secret: secret}
	}
	good := token("ops", server.Admin, adminToken)
	alias := &runtime.Spec[payment]{Type: "refund", Aliases: []string{"payment"}}
	for says, cfg := range map[string]server.Config{
		"Config.Manager is required":                      {},
		`the token "" needs a name of its own`:            {Manager: m, Tokens: []server.Token{token("", server.Admin, adminToken)}},
		`the token "ops" needs a name of its own`:         {Manager: m, Tokens: []server.Token{good, token("ops", server.Viewer, viewerToken)}},
		`the token "a" has the role "root": it is viewer`: {Manager: m, Tokens: []server.Token{token("a", "root", adminToken)}},
		`the token "a" has a secret of 15 bytes`:          {Manager: m, Tokens: []server.Token{token("a", server.Admin, adminToken[:15])}},
		`the token "a" has the secret of another one`:     {Manager: m, Tokens: []server.Token{good, token("a", server.Viewer, adminToken)}},
		`the type "payment" twice`:                        {Manager: m, Types: []server.Type{paymentSpec, alias}},
		"or one without a name":                           {Manager: m, Types: []server.Type{&runtime.Spec[payment]{}}},
		"Config.Types[1] is nil":                          {Manager: m, Types: []server.Type{paymentSpec, nil}},
		"Config.MaxRequest is -1":                         {Manager: m, MaxRequest: -1},
	} {
		_, err := server.New(cfg)
		require.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), adminToken[:15], "an error shows no secret")
	}
	s, err := server.New(server.Config{Manager: m, Types: []server.Type{paymentSpec}, Tokens: tokens()})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second call does nothing")
}
