package crontab_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/crontab"
)

func TestSlips(t *testing.T) {
	for expr, want := range map[string][]string{
		"* 0 * * *":       {"every minute of hour 0: 0 0 * * * is the first alone"},
		"* 9-17 * * 1":    {"every minute of hour 9-17: 0 9-17 * * 1 is the first alone"},
		"*/7 * * * *":     {"*/7 is not every 7 minutes: each hour begins anew, 4 after 56"},
		"0 */5 * * *":     {"*/5 is not every 5 hours: each day begins anew, 4 after 20"},
		"0 0 13 * 5":      {"day 13 or weekday 5: either is enough, both are not needed"},
		"0 0 31 * *":      {"not every month has a day 31: L is the last day"},
		"*/7 */5 * * *":   {"*/7 is not every 7 minutes: each hour begins anew, 4 after 56", "*/5 is not every 5 hours: each day begins anew, 4 after 20"},
		"* * * * *":       nil,
		"* */2 * * *":     nil,
		"*/15 */2 * * *":  nil,
		"30 2 * * *":      nil,
		"0 0 31 1,12 *":   nil,
		"0 9 L * ?":       nil,
		"@daily":          nil,
		"@every 90m":      nil,
		"0 9 * * mon-fri": nil,
	} {
		_, err := crontab.Parse(expr, "")
		require.NoError(t, err, expr)
		require.Equal(t, want, crontab.Slips(expr), expr)
	}
}
