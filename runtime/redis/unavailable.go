package redis

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime/driver"
)

// unavailable makes the error of a request ErrUnavailable unless what became of the
// request is known: it was not sent, or the server has answered it. So all errors of
// connections count but a certificate that is not trusted, those of an exhausted pool and
// of a closed client included. Of the server's answers those count that it gives for now:
// it is loading, it changes its role, a script runs for long, it has too many clients.
func (p *Provider) unavailable(err error) error {
	var answered redis.Error
	switch {
	case err == nil, errors.Is(err, errUnsent), errors.Is(err, errUnusable):
		return err
	case errors.As(err, &answered) && !p.isTransient(err) && !redis.HasErrorPrefix(err, "BUSY ") && !redis.HasErrorPrefix(err, manyClients):
		return err
	}
	return unreached(err)
}

// unreached is unavailable for an error without an answer of the server.
func unreached(err error) error {
	var distrusted *tls.CertificateVerificationError
	if errors.As(err, &distrusted) {
		return err
	}
	return driver.Unavailable(err)
}

// manyClients begins the answer to a client that the server does not take as well.
const manyClients = "max number of clients"

// request is bounded for a request to the server.
func request[T any](ctx context.Context, p *Provider, f func(context.Context) (T, error)) (T, error) {
	reply, err := bounded(ctx, f)
	return reply, p.unavailable(err)
}
