package duration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/duration"
)

func TestDurationsWithDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1d": 24 * time.Hour, "-1d": -24 * time.Hour, "1.5d": 36 * time.Hour, "1d1ms": 24*time.Hour + time.Millisecond, "90s": 90 * time.Second, "-1d1h": -25 * time.Hour,
	} {
		got, err := duration.Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "d", "1", "1e3d", "0x1d", "infd", "1_0d", "1d-1h", "1d+1h", "1d1d", "1h1d", "200000d", "106751d24h", "1dx"} {
		_, err := duration.Parse(text)
		assert.Error(t, err, text)
	}
}
