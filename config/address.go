package config

import (
	"errors"
	"net/url"
	"strings"

	"github.com/taskgen/taskgen/internal/address"
)

// address is the provider's URL with its password in it.
func (p ProviderConfig) address() (string, error) {
	raw := p.URL.Reveal()
	if p.Password.Reveal() == "" {
		return raw, nil
	}
	scheme, _ := schemeOf(raw)
	servers := []string{raw}
	if r := registry.of(scheme); r != nil && r.form(scheme).List {
		servers = strings.Split(raw, ",")
	}
	for i, server := range servers {
		server = strings.TrimSpace(server)
		if !strings.Contains(server, "://") {
			server = scheme + "://" + server
		}
		u, err := address.Parse(server)
		if err != nil {
			return "", err
		}
		if _, has := u.User.Password(); has {
			return "", errors.New("the URL has a password, too: leave one out")
		}
		u.User = url.UserPassword(u.User.Username(), p.Password.Reveal())
		servers[i] = u.String()
	}
	return strings.Join(servers, ","), nil
}
