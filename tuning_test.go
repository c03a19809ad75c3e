package taskgen_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/compress"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// TestTuningQuotesTheDefaults holds the defaults of docs/tuning.md to those of the code.
func TestTuningQuotesTheDefaults(t *testing.T) {
	page, err := os.ReadFile("docs/tuning.md")
	require.NoError(t, err)
	grace, err := time.ParseDuration(byDefault(t, "Grace"))
	require.NoError(t, err)
	for setting, want := range map[string]string{
		"`PoolConfig.Workers`":        byDefault(t, "Workers"),
		"`PoolConfig.Grace`":          seconds(grace),
		"`visibility` of a queue":     seconds(driver.DefaultVisibility),
		"`max_deliveries` of a queue": fmt.Sprint(driver.DefaultMaxDeliveries),
		"`retention` of a result":     fmt.Sprintf("%g h", driver.DefaultResultRetention.Hours()),
		"`compress.Config.Threshold`": fmt.Sprintf("%d KiB", compress.DefaultThreshold>>10),
		"`schedule.Config.Lease`":     seconds(schedule.DefaultLease),
		"`dlq.Config.PageSize`":       fmt.Sprintf("%d letters in a round trip", dlq.DefaultPageSize),
	} {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(setting) + ` \| ([^|]*) \|`).FindSubmatch(page)
		if assert.NotNil(t, row, "docs/tuning.md has no row of %s", setting) {
			assert.Equal(t, want, string(row[1]), setting)
		}
	}
}

// byDefault is the default of a field of a pool's configuration.
func byDefault(t *testing.T, field string) string {
	t.Helper()
	f, ok := reflect.TypeFor[config.PoolConfig]().FieldByName(field)
	require.True(t, ok)
	return f.Tag.Get("default")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
