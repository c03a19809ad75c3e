package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	"github.com/taskgen/taskgen/runtime"
)

// An OpenOption changes how [OpenProvider] works.
type OpenOption func(*opening)

type opening struct {
	options any
	deps    Deps
}

// WithOptions sets options by fields, in place of parameters of the URL. o is the Options
// struct of the package that registers the provider of the URL, such as config/redis. The
// Options of another provider are an error. A field with its zero value sets nothing, and
// the others override the URL.
func WithOptions(o any) OpenOption { return func(op *opening) { op.options = o } }

// WithLogger sets the logger for warnings of the provider. The default, also for nil, is
// slog.Default at the time of each record. SQLite and memory log nothing.
func WithLogger(log *slog.Logger) OpenOption { return func(op *opening) { op.deps.Logger = log } }

// OpenProvider opens the provider that a URL names by its scheme:
//
//	memory:
//	sqlite:///var/lib/shop/tasks.db?synchronous=normal
//	redis://user:password@host:6379/0?prefix=shop
//	sqs://eu-central-1?prefix=prod-
//	amqps://user:password@host:5671/vhost?prefix=shop
//	nats://host1:4222,nats://host2:4222?prefix=shop
//
// A package that registers the provider must be imported; see the package comment. The
// options of each provider are the fields of Options in that package, and parameters of the
// URL by the same names. Parameters of the client's own go to the client.
//
// Each call opens a provider of its own, which the caller closes. The error says which
// option is unknown or what its value should be. It names the nearest scheme or option for
// a misspelt one, and shows neither the password nor the values of the URL.
func OpenProvider(ctx context.Context, rawURL string, opts ...OpenOption) (runtime.Provider, error) {
	var op opening
	for _, opt := range opts {
		opt(&op)
	}
	scheme, clear := schemeOf(rawURL)
	r := registry.of(scheme)
	if r == nil {
		return nil, fmt.Errorf("config: %w", unregistered(scheme, clear))
	}
	bare, o, err := r.read(rawURL, scheme)
	if err == nil && op.options != nil {
		err = r.overlay(o, op.options)
	}
	if err == nil {
		err = checkEnums(r.fields, o)
	}
	if err != nil {
		return nil, fmt.Errorf("config: open %s: %w", r.name, err)
	}
	p, err := r.open(ctx, bare, o, op.deps)
	if err != nil {
		return nil, fmt.Errorf("config: open %s: %w", r.name, err)
	}
	return p, nil
}

// schemeOf returns the text before the colon of a URL, in lower case, and whether two
// slashes follow: else it may be anything, such as a user before a password.
func schemeOf(rawURL string) (scheme string, clear bool) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	scheme = strings.ToLower(scheme)
	if !ok || scheme == "" || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+") != "" {
		return "", false
	}
	return scheme, strings.HasPrefix(rest, "//")
}

// overlay sets the options that are set in a struct of them.
func (r *registered) overlay(to reflect.Value, options any) error {
	from := reflect.ValueOf(options)
	if from.Kind() == reflect.Pointer && !from.IsNil() {
		from = from.Elem()
	}
	if from.Type() != r.options {
		return fmt.Errorf("WithOptions was given %s: give Options of %s", typeName(from.Type()), r.options.PkgPath())
	}
	for _, f := range r.fields {
		if v := from.Field(f.index); !v.IsZero() {
			to.Field(f.index).Set(v)
		}
	}
	return nil
}

func typeName(t reflect.Type) string {
	if t.PkgPath() == "" {
		return t.String()
	}
	return t.Name() + " of " + t.PkgPath()
}

// checkEnums refuses values of options that only fields can have brought in.
func checkEnums(fields []field, o reflect.Value) error {
	var bad []error
	for _, f := range fields {
		if v := o.Field(f.index); len(f.enum) > 0 && !v.IsZero() && !f.allows(v.String()) {
			bad = append(bad, fmt.Errorf("option %s: %s", f.name, f.want()))
		}
	}
	return errors.Join(bad...)
}
