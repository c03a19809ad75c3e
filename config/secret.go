package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"github.com/taskgen/taskgen/internal/address"
)

// hidden is what is shown in place of a secret.
const hidden = "••••"

// A Secret is a text that is never printed: every verb of package fmt, encoding/json,
// YAML and log/slog show a mark in its place. The zero value is the empty text.
type Secret struct{ text *string } // a pointer: fmt prints unexported fields without their methods

// NewSecret returns a Secret.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns a mark, or "" for the empty text.
func (s Secret) String() string {
	if s.Reveal() == "" {
		return ""
	}
	return hidden
}

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON, too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML makes YAML show a mark.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalText sets the text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// A URL is the URL of a provider or a collector. It is a [Secret] in part: what prints it shows marks in
// place of the password, of a user without a password (which may be a token) and of
// parameters that may be secret. A URL that cannot be parsed shows as a mark.
type URL struct{ Secret }

// NewURL returns a URL. It is not checked.
func NewURL(text string) URL { return URL{NewSecret(text)} }

// String returns the URL with its secrets hidden.
func (u URL) String() string {
	if u.Reveal() == "" {
		return ""
	}
	scheme, clear := schemeOf(u.Reveal())
	if !clear && known[scheme] == "" && registry.of(scheme) == nil {
		return hidden // perhaps a user and a password
	}
	servers := strings.Split(u.Reveal(), ",")
	for i, server := range servers {
		server = strings.TrimSpace(server)
		if i > 0 && !strings.Contains(server, "://") {
			server = scheme + "://" + server
		}
		at, err := address.Parse(server)
		if err != nil {
			return hidden
		}
		servers[i] = shown(at)
	}
	return strings.Join(servers, ",")
}

// shown is a URL with marks in place of its secrets.
func shown(at *url.URL) string {
	var query []string
	if at.RawQuery != "" {
		for parameter := range strings.SplitSeq(at.RawQuery, "&") {
			name, value, _ := strings.Cut(parameter, "=")
			if mayBeSecret(name, value) {
				value = hidden
			}
			query = append(query, name+"="+value)
		}
	}
	bare := *at
	bare.User, bare.RawQuery, bare.Fragment, bare.RawFragment = nil, "", "", ""
	text := bare.String()
	if at.User != nil {
		user := hidden
		if _, ok := at.User.Password(); ok {
			user = url.User(at.User.Username()).String() + ":" + hidden
		}
		text = strings.Replace(text, "://", "://"+user+"@", 1)
	}
	if query != nil {
		text += "?" + strings.Join(query, "&")
	}
	return text
}

func mayBeSecret(name, value string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"pass", "secret", "token", "seed"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.Contains(value, "@") || strings.Contains(strings.ToLower(value), "%40")
}

// Format implements fmt.Formatter for every verb.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue implements slog.LogValuer.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON, too.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalYAML makes YAML show the URL with its secrets hidden.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }
