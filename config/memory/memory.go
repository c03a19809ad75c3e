// Package memory registers the memory provider with package config, for URLs like memory:.
package memory

import (
	"context"
	"errors"
	"net/url"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// Options are the options of the memory provider: there are none.
type Options struct{}

func init() {
	config.Register("memory", []config.URLForm{
		{Scheme: "memory", Example: "memory:", Text: "queues, results, jobs, a fleet and a history in this process, which end with it"},
	}, open)
}

func open(_ context.Context, rawURL string, _ Options, _ config.Deps) (driver.Provider, error) {
	if u, err := url.Parse(rawURL); err != nil || u.Opaque != "" || u.Host != "" || u.User != nil || u.Path != "" {
		return nil, errors.New("memory has no address: the URL is memory: alone")
	}
	return &provider{memory.New(), memory.NewResults(), memory.NewJobs(), memory.NewFleet(), memory.NewHistory()}, nil
}

// provider has the stores beside the queues, as the providers of brokers do.
type provider struct {
	*memory.Provider
	results *memory.Results
	jobs    *memory.Jobs
	fleet   *memory.Fleet
	history *memory.History
}

func (p *provider) Results() driver.ResultStore { return p.results }
func (p *provider) Jobs() jobstore.Store        { return p.jobs }
func (p *provider) Fleet() fleetstore.Store     { return p.fleet }
func (p *provider) History() historystore.Store { return p.history }
