package target

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/internal/address"
)

// remote connects to a running server.
func remote(o Options) (*Client, error) {
	u, err := CheckURL(o.URL)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if transport.TLSClientConfig, err = secured(o); err != nil {
		return nil, err
	}
	if o.Token != "" && u.Scheme == "http" && !address.Loopback(u.Hostname()) && o.Logger != nil {
		o.Logger.Warn("the token goes to " + u.Host + " without encryption: use https")
	}
	h := &http.Client{Transport: bearer{o.Token, transport}, CheckRedirect: noRedirects}
	c := clientOf(h, strings.TrimSuffix(u.String(), "/"), o)
	c.Name = "the server at " + u.String()
	c.close = func() error { transport.CloseIdleConnections(); return nil }
	return c, nil
}

// CheckURL parses the URL of a server. The error shows no password.
func CheckURL(text string) (*url.URL, error) {
	u, err := address.Parse(text)
	switch {
	case err != nil:
		return nil, exit.Usagef("the URL of the server: %w", err)
	case u.User != nil:
		return nil, exit.Usagef("the URL of the server has a user or a password: the server takes a token, from TASKQ_TOKEN or --token-file")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, exit.Usagef("the URL of the server is like https://tasks.example.com, or http://127.0.0.1:7460")
	}
	return u, nil
}

// secured is the TLS of a connection; nil is the default.
func secured(o Options) (*tls.Config, error) {
	if o.CAFile == "" && o.CertFile == "" && o.KeyFile == "" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, exit.Usagef("--ca-file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, exit.Usagef("--ca-file: there is no certificate in %s: it is PEM", o.CAFile)
		}
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, exit.Usagef("--cert-file and --key-file go together")
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, exit.Usagef("--cert-file and --key-file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// A bearer sends a token with each request.
type bearer struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token == "" {
		return b.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// ReadToken reads a token from a file: its text without the spaces around it.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", exit.Usagef("the file of the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", exit.Usagef("the file of the token, %s, has no token: it is one line", path)
	}
	return token, nil
}
