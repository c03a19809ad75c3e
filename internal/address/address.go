// Package address reads the URLs of brokers, which hold passwords, without ever
// repeating them in an error.
package address

import (
	"errors"
	"net/url"
	"strings"
)

// errSyntax says nothing of what it is about: what url.Parse quotes may be a part of
// the password, even where it calls it a port.
var errSyntax = errors.New("the URL cannot be parsed: in a user name or password, write %, /, ?, # and @ as %25, %2F, %3F, %23 and %40")

// Parse is url.Parse, with an error that shows nothing of raw. It also refuses a URL in
// which a password with a /, ? or # was taken apart: what follows those would be a
// path, a parameter or a fragment, which others quote in their errors.
func Parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || astray(u) {
		return nil, errSyntax
	}
	return u, nil
}

// astray reports whether the @ that ends a password stands where none belongs.
func astray(u *url.URL) bool {
	for parameter := range strings.SplitSeq(u.RawQuery, "&") {
		if name, _, _ := strings.Cut(parameter, "="); strings.Contains(name, "@") {
			return true
		}
	}
	return strings.Contains(u.EscapedPath(), "@") || strings.Contains(u.EscapedFragment(), "@") || strings.Contains(u.Opaque, "@")
}
