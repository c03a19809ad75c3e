package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/crontab"
)

// firings is how many times a timetable shows.
const firings = 10

// asksForTimes reports whether a topic is a cron expression and not a key of the
// directive (schedule cron): one has several fields or is a descriptor (@daily).
func asksForTimes(args []string) bool {
	return (len(args) == 2 || len(args) == 3) && args[0] == "schedule" &&
		(strings.ContainsAny(args[1], " \t") || strings.HasPrefix(args[1], "@"))
}

// timetable prints when an expression is due after now in a zone, UTC when it is
// empty, and what of it is likely to be meant otherwise.
func timetable(expr, zone string, now time.Time, stdout, stderr io.Writer) int {
	s, err := crontab.Parse(expr, zone)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	loc, err := crontab.Zone(zone)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	fmt.Fprintf(stdout, "%s in %s:\n\n", expr, loc)
	at := now
	for range firings {
		if at = s.Next(at); at.IsZero() {
			break
		}
		fmt.Fprintf(stdout, "  %s\n", at.In(loc).Format("Mon 2006-01-02 15:04:05 -07:00"))
	}
	if slips := crontab.Slips(expr); len(slips) > 0 {
		fmt.Fprintf(stdout, "\nIs it what you mean?\n\n  %s\n", strings.Join(slips, "\n  "))
	}
	return exitOK
}
