//go:build !unix

package testserver

import (
	"context"
	"errors"
	"os"
)

var errNotUnix = errors.New("servers are started on Unix only: let TASKGEN_TEST_REDIS_URL, TASKGEN_TEST_RABBITMQ_URL, TASKGEN_TEST_NATS_URL and TASKGEN_TEST_SQS_ENDPOINT name servers that run already")

type process struct {
	pid int
	log string
}

func (p *process) start([]string, []string, string, *os.File, func() error) error {
	return errNotUnix
}

func (p *process) ended() (string, bool)      { return "it was not started", true }
func (p *process) stop(context.Context) error { return nil }
func (p *process) kill() error                { return nil }

func freeze(*process) error { return errNotUnix }
func thaw(*process) error   { return errNotUnix }

type guard struct{}

func newGuard(string, *os.File) (*guard, error) { return nil, errNotUnix }
func (g *guard) watch([]*daemon) error          { return nil }
func (g *guard) close() error                   { return nil }

func lock(string) (*os.File, error) { return nil, errNotUnix }
