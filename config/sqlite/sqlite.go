// Package sqlite registers the SQLite provider with package config, for URLs like
// sqlite:tasks.db.
package sqlite

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/internal/address"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// Options are the options of the SQLite provider.
type Options struct {
	Synchronous string `config:"synchronous" enum:"full,normal" default:"full" doc:"when a commit is on the disk: full is before the caller gets the answer; with normal a power cut may undo the last commits"`
}

func init() {
	config.Register("sqlite", []config.URLForm{
		{Scheme: "sqlite", Example: "sqlite:///var/lib/shop/tasks.db", Text: "a file by its absolute path; sqlite:tasks.db is one in the working directory. The file is created, its folder is not"},
	}, open)
}

func open(ctx context.Context, rawURL string, o Options, _ config.Deps) (driver.Provider, error) {
	path, err := pathOf(rawURL)
	if err != nil {
		return nil, err
	}
	var opts []sqlite.Option
	if o.Synchronous != "" {
		opts = append(opts, sqlite.WithSynchronous(sqlite.Synchronous(strings.ToUpper(o.Synchronous))))
	}
	return sqlite.Open(ctx, path, opts...)
}

// pathOf is the path of the file that a URL names. The text after two slashes is, by the
// rules of URLs, a host. Since a file has no host, it can only be meant as a relative
// path.
func pathOf(rawURL string) (string, error) {
	u, err := address.Parse(rawURL)
	switch {
	case err != nil:
		return "", err
	case u.User != nil || u.Port() != "":
		return "", errors.New("a file has no user and no port: write sqlite:///absolute/path or sqlite:relative/path")
	case u.Opaque == "":
		return u.Host + u.Path, nil
	}
	path, err := url.PathUnescape(u.Opaque)
	if err != nil {
		return "", errors.New("the path cannot be parsed: write % as %25")
	}
	return path, nil
}
