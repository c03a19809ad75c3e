package config

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/taskgen/taskgen/internal/address"
)

// Errors about a collector quote nothing: its URL and its headers may hold secrets.
var (
	errCollector = errors.New("the URL of a collector begins with http:// or https://, and has a host and no parameters: https://collector:4318")
	errHeaders   = errors.New("headers are NAME=VALUE with commas between them; in a value, % and the comma are %25 and %2C")
)

// Collector returns the URL that spans are sent to, without a user, and the headers of the
// requests: those of the key headers, and the user of the URL as basic authentication. The
// URL is empty, or the headers nil, where the section says nothing. The headers hold secrets;
// an error shows none.
func (c TracesConfig) Collector() (url string, headers map[string]string, err error) {
	url, user, err := c.target()
	if err != nil {
		return "", nil, err
	}
	headers, err = c.headers()
	if err != nil {
		return "", nil, err
	}
	if user != nil {
		if headers == nil {
			headers = make(map[string]string)
		}
		password, _ := user.Password()
		headers["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
	}
	return url, headers, nil
}

// target is the URL that spans are sent to, without the user in it.
func (c TracesConfig) target() (string, *url.Userinfo, error) {
	if c.Endpoint.Reveal() == "" {
		return "", nil, nil
	}
	u, err := address.Parse(c.Endpoint.Reveal())
	switch {
	case err != nil:
		return "", nil, err
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", nil, errCollector
	}
	user := u.User
	u.User = nil
	return u.JoinPath("v1", "traces").String(), user, nil
}

// headers are those of the key headers, in the form of OTEL_EXPORTER_OTLP_HEADERS.
func (c TracesConfig) headers() (map[string]string, error) {
	if c.Headers.Reveal() == "" {
		return nil, nil
	}
	all := make(map[string]string)
	for pair := range strings.SplitSeq(c.Headers.Reveal(), ",") {
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, errHeaders
		}
		all[name] = value
	}
	return all, nil
}

// isToken reports whether a text can be the name of a header.
func isToken(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}
