package pool

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDelayGrowsByTheKindOfBackoff(t *testing.T) {
	const s, half = time.Second, 0.5 // half: no jitter
	for _, c := range []struct {
		name   string
		policy RetryPolicy
		want   []time.Duration
	}{
		{"the zero policy doubles from 1 s", RetryPolicy{}, []time.Duration{s, 2 * s, 4 * s, 8 * s}},
		{"constant", RetryPolicy{Backoff: Constant, Base: 3 * s}, []time.Duration{3 * s, 3 * s, 3 * s}},
		{"linear", RetryPolicy{Backoff: Linear, Base: 3 * s}, []time.Duration{3 * s, 6 * s, 9 * s}},
		{"exponential", RetryPolicy{Backoff: Exponential, Base: s, Factor: 3}, []time.Duration{s, 3 * s, 9 * s, 27 * s}},
		{"a factor below 1 shrinks", RetryPolicy{Base: 8 * s, Factor: 0.5}, []time.Duration{8 * s, 4 * s, 2 * s}},
		{"capped", RetryPolicy{Base: s, Cap: 3 * s}, []time.Duration{s, 2 * s, 3 * s, 3 * s}},
		{"a base above the cap", RetryPolicy{Base: 5 * s, Cap: 3 * s}, []time.Duration{3 * s, 3 * s}},
		{"the default cap", RetryPolicy{Base: 40 * time.Minute}, []time.Duration{40 * time.Minute, time.Hour}},
		{"negative values count as none", RetryPolicy{Base: -1, Cap: -1, Factor: -1, Jitter: -1}, []time.Duration{s, 2 * s}},
		{"a factor that is no number", RetryPolicy{Factor: math.NaN(), Jitter: math.NaN()}, []time.Duration{s, 2 * s}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, want := range c.want {
				assert.Equal(t, want, c.policy.Delay(i+1, half))
			}
			assert.Equal(t, c.want[0], c.policy.Delay(0, half), "there is no retry before the first")
		})
	}
}

func TestJitterSpreadsAroundTheDelay(t *testing.T) {
	p := RetryPolicy{Backoff: Constant, Base: time.Minute, Jitter: 0.2}
	assert.Equal(t, 48*time.Second, p.Delay(1, 0))
	assert.Equal(t, time.Minute, p.Delay(1, 0.5))
	assert.InDelta(t, float64(72*time.Second), float64(p.Delay(1, 0.999999)), float64(time.Millisecond))
	p.Jitter = 7
	assert.Zero(t, p.Delay(1, 0), "1 is the most there is")
	p.Cap = time.Minute
	assert.Equal(t, time.Minute, p.Delay(1, 0.9), "the cap holds with jitter")
}

func TestDelayIsNeverNegativeNorAboveTheCap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := RetryPolicy{
			Backoff: rapid.SampledFrom([]Backoff{"", Constant, Linear, Exponential, "unknown"}).Draw(rt, "backoff"),
			Base:    time.Duration(rapid.Int64().Draw(rt, "base")), Cap: time.Duration(rapid.Int64().Draw(rt, "cap")),
			Factor: rapid.Float64().Draw(rt, "factor"), Jitter: rapid.Float64().Draw(rt, "jitter"),
		}
		d := p.Delay(rapid.Int().Draw(rt, "retry"), rapid.Float64Range(0, 0.999999999).Draw(rt, "spread"))
		limit := p.Cap
		if limit <= 0 {
			limit = DefaultRetryCap
		}
		require.GreaterOrEqual(rt, d, time.Duration(0))
		require.LessOrEqual(rt, d, limit)
	})
}

func TestExponentialDelayReachesTheLongestCapWithoutOverflow(t *testing.T) {
	p := RetryPolicy{Cap: math.MaxInt64, Factor: math.MaxFloat64}
	for _, retry := range []int{2, 100, math.MaxInt} {
		assert.Equal(t, time.Duration(math.MaxInt64), p.Delay(retry, 0.5))
	}
}
