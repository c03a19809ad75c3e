// Package nats registers the NATS provider with package config, for URLs like
// nats://host:4222.
package nats

import (
	"context"
	"errors"
	"fmt"

	client "github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/nats"
)

// Options are the options of the NATS provider.
type Options struct {
	Prefix      string       `config:"prefix" default:"taskgen" doc:"prefix of the subjects and the names of the streams: letters, digits, - and _"`
	Replicas    int          `config:"replicas" default:"1, or as they are" doc:"on how many servers of a cluster each stream is kept: 1, 3 or 5"`
	MaxBytes    config.Bytes `config:"max_bytes" default:"no bound" doc:"bound of each new stream; when nine tenths are taken, Enqueue returns ErrQueueFull"`
	Credentials string       `config:"credentials" doc:"path of a file with the user's JWT and seed, as nsc writes it"`
	NKey        string       `config:"nkey" doc:"path of a file with the seed of the user's NKey"`
	CA          string       `config:"ca" default:"the system's" doc:"path of a PEM file with the certificates of the authorities that the server's certificate may come from"`
	Cert        string       `config:"cert" doc:"path of a PEM file with the client's certificate; key must be set as well"`
	Key         string       `config:"key" doc:"path of a PEM file with the key of cert"`
}

func init() {
	config.Register("nats", []config.URLForm{
		{Scheme: "nats", Example: "nats://user:password@host1:4222,nats://host2:4222", Text: "one or more servers, with TLS if they require it", List: true},
		{Scheme: "tls", Example: "tls://host:4222?ca=/etc/ssl/ca.pem", Text: "one or more servers, with TLS", List: true},
	}, open)
}

func open(ctx context.Context, rawURL string, o Options, deps config.Deps) (driver.Provider, error) {
	connection, err := o.connection()
	if err != nil {
		return nil, err
	}
	opts := []nats.Option{nats.WithLogger(deps.Logger), nats.WithMaxBytes(int64(o.MaxBytes)), nats.WithReplicas(o.Replicas), nats.WithConnection(connection...)}
	if o.Prefix != "" {
		opts = append(opts, nats.WithPrefix(o.Prefix))
	}
	return nats.Open(ctx, rawURL, opts...)
}

// connection are the options of the client's connection.
func (o Options) connection() (opts []client.Option, err error) {
	if o.Credentials != "" && o.NKey != "" {
		return nil, errors.New("the options credentials and nkey are both set: a user has one of them")
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("of the options cert and key only one is set: a client's certificate needs both")
	}
	if o.Credentials != "" {
		opts = append(opts, client.UserCredentials(o.Credentials))
	}
	if o.NKey != "" {
		seed, err := client.NkeyOptionFromSeed(o.NKey)
		if err != nil {
			return nil, fmt.Errorf("option nkey: %w", err)
		}
		opts = append(opts, seed)
	}
	if o.CA != "" {
		opts = append(opts, client.RootCAs(o.CA))
	}
	if o.Cert != "" {
		opts = append(opts, client.ClientCert(o.Cert, o.Key))
	}
	return opts, nil
}
