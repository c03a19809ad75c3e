package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimetableShowsOffsetsWhereClocksAreChanged(t *testing.T) {
	var out, errOut strings.Builder
	now := time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)
	require.Equal(t, exitOK, timetable("30 2 * * *", "Europe/Berlin", now, &out, &errOut))
	require.Empty(t, errOut.String())
	require.Equal(t, `30 2 * * * in Europe/Berlin:

  Sat 2026-03-28 02:30:00 +01:00
  Sun 2026-03-29 03:30:00 +02:00
  Mon 2026-03-30 02:30:00 +02:00
  Tue 2026-03-31 02:30:00 +02:00
  Wed 2026-04-01 02:30:00 +02:00
  Thu 2026-04-02 02:30:00 +02:00
  Fri 2026-04-03 02:30:00 +02:00
  Sat 2026-04-04 02:30:00 +02:00
  Sun 2026-04-05 02:30:00 +02:00
  Mon 2026-04-06 02:30:00 +02:00
`, out.String())
}
