package sqs

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/internal/address"
)

// Open returns a provider for the region that a URL names:
//
//	sqs://eu-central-1?prefix=prod-&wait=20s&polls=8&create=false
//
// All parts except the scheme are optional; without a region the SDK's default chain
// decides. Credentials come from that chain (environment, shared files, container,
// instance). The parameters correspond to options: prefix, wait, polls, create=false
// (WithoutCreate), retry=visibility (RetryByVisibility), fair=<n> (WithStarvationFree),
// and endpoint=<url> for a server other than AWS. An unknown parameter is an error.
// Options override the URL. ctx is for loading the configuration: the provider outlives it.
//
// Requests without an answer are abandoned as the package comment says.
func Open(ctx context.Context, rawURL string, opts ...Option) (*Provider, error) {
	u, err := address.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("sqs: %w", err)
	}
	if u.Scheme != "sqs" {
		return nil, fmt.Errorf("sqs: the URL has the scheme %q: write sqs://<region>, like sqs://eu-central-1?prefix=prod-", u.Scheme)
	}
	from, endpoint, err := fromQuery(u.Query())
	if err != nil {
		return nil, fmt.Errorf("sqs: the URL cannot be used: %w", err)
	}
	var load []func(*config.LoadOptions) error
	if u.Host != "" {
		load = append(load, config.WithRegion(u.Host))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("sqs: load the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("sqs: the URL names no region, and neither does the AWS configuration: write sqs://<region>")
	}
	client := awssqs.NewFromConfig(cfg, func(o *awssqs.Options) {
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
	})
	return New(client, append(from, opts...)...)
}

func fromQuery(values url.Values) (opts []Option, endpoint string, err error) {
	for name, all := range values {
		v := all[len(all)-1]
		var bad error
		switch name {
		case "endpoint":
			endpoint = v
		case "prefix":
			opts = append(opts, WithPrefix(v))
		case "wait":
			var d time.Duration
			d, bad = time.ParseDuration(v)
			opts = append(opts, WithWait(d))
		case "polls":
			var n int
			n, bad = strconv.Atoi(v)
			opts = append(opts, WithMaxPolls(n))
		case "create":
			var create bool
			if create, bad = strconv.ParseBool(v); !create {
				opts = append(opts, WithoutCreate())
			}
		case "retry":
			if v != "visibility" {
				bad = fmt.Errorf("only visibility is known")
			}
			opts = append(opts, RetryByVisibility())
		case "fair":
			var n int
			n, bad = strconv.Atoi(v)
			opts = append(opts, WithStarvationFree(n))
		default:
			bad = fmt.Errorf("unknown (there are endpoint, prefix, wait, polls, create, retry, fair)")
		}
		if bad != nil {
			return nil, "", fmt.Errorf("parameter %s=%s: %w", name, v, bad)
		}
	}
	return opts, endpoint, nil
}
