package chunklog

import (
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
)

// sums are what is counted of each type.
type sums map[string]*sum

type sum struct {
	outcomes map[driver.Outcome]int64
	duration histogram
	wait     histogram
}

func (all sums) add(r *Record) {
	s := all[r.Type]
	if s == nil {
		s = &sum{outcomes: make(map[driver.Outcome]int64)}
		all[r.Type] = s
	}
	s.outcomes[r.Outcome]++
	if r.Ran() {
		s.duration.add(r.Duration())
	}
	if wait, ok := r.Wait(); ok {
		s.wait.add(wait)
	}
}

func (all sums) stats() []historystore.TypeStats {
	stats := make([]historystore.TypeStats, 0, len(all))
	for name, s := range all {
		stats = append(stats, historystore.TypeStats{
			Type: name, Outcomes: maps.Clone(s.outcomes), Runs: s.duration.n,
			Duration: s.duration.percentiles(), Wait: s.wait.percentiles(),
		})
	}
	slices.SortFunc(stats, func(a, b historystore.TypeStats) int { return strings.Compare(a.Type, b.Type) })
	return stats
}

// fine is how many bits of a duration, behind the first one that is set, a histogram tells
// apart: 64 buckets for each power of two, each at most 1.6 % wide.
const fine = 6

// A histogram counts durations in whole microseconds.
type histogram struct {
	buckets []int64
	n       int64
	most    time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	b := bucketOf(uint64(d / time.Microsecond))
	if b >= len(h.buckets) {
		h.buckets = append(h.buckets, make([]int64, b+1-len(h.buckets))...)
	}
	h.buckets[b]++
	h.n++
	h.most = max(h.most, d)
}

func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-fine-1, 0)
	return shift<<fine + int(v>>shift)
}

// valueOf is the middle of a bucket.
func valueOf(bucket int) uint64 {
	if bucket < 1<<fine {
		return uint64(bucket)
	}
	shift := bucket>>fine - 1
	return uint64(bucket-shift<<fine)<<shift + uint64(1)<<shift>>1
}

func (h *histogram) percentiles() (p historystore.Percentiles) {
	if h.n == 0 {
		return p
	}
	return historystore.Percentiles{P50: h.percentile(50), P95: h.percentile(95), P99: h.percentile(99), Max: h.most}
}

// percentile is the smallest duration that so many of a hundred are not longer than.
func (h *histogram) percentile(of int64) time.Duration {
	rank := (h.n*of + 99) / 100
	for b, count := range h.buckets {
		if rank -= count; rank <= 0 {
			return min(time.Duration(valueOf(b))*time.Microsecond, h.most)
		}
	}
	return h.most
}
