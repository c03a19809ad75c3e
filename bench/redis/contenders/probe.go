package contenders

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/bench/contest"
)

const (
	probeTrips       = 200
	probePipeline    = 256
	probeConnections = 8
	probeFor         = 300 * time.Millisecond
)

// probe sends PINGs: one at a time, and in pipelines.
func probe(ctx context.Context, url string) (contest.Probe, error) {
	out := contest.Probe{InFlight: probePipeline * probeConnections, Connections: probeConnections}
	c, err := client(url)
	if err != nil {
		return out, err
	}
	defer c.Close()
	trips := make([]time.Duration, probeTrips)
	for i := range trips {
		began := time.Now()
		if err := c.Ping(ctx).Err(); err != nil {
			return out, err
		}
		trips[i] = time.Since(began)
	}
	slices.Sort(trips)
	out.RoundTripMS = float64(trips[probeTrips/2]) / float64(time.Millisecond)

	var pings atomic.Int64
	var all errgroup.Group
	began := time.Now()
	for range probeConnections {
		all.Go(func() error {
			for time.Since(began) < probeFor {
				_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
					for range probePipeline {
						p.Ping(ctx)
					}
					return nil
				})
				if err != nil {
					return err
				}
				pings.Add(probePipeline)
			}
			return nil
		})
	}
	err = all.Wait()
	out.PerSecond = float64(pings.Load()) / time.Since(began).Seconds()
	return out, err
}
