package crontab

import (
	"fmt"
	"strconv"
	"strings"
)

// Slips says what of an expression that Parse takes is likely to be meant otherwise;
// nothing where all is usual.
func Slips(expr string) []string {
	fields := strings.Fields(expr)
	if len(fields) != 5 {
		return nil
	}
	minute, hour, day, month, weekday := fields[0], fields[1], fields[2], fields[3], fields[4]
	var slips []string
	if wildcard(minute) && !anyHour(expr) {
		fields[0] = "0"
		slips = append(slips, fmt.Sprintf("every minute of hour %s: %s is the first alone", hour, strings.Join(fields, " ")))
	}
	slips = append(slips, unevenStep(minute, 60, "minutes", "hour")...)
	slips = append(slips, unevenStep(hour, 24, "hours", "day")...)
	if !wildcard(day) && !wildcard(weekday) {
		slips = append(slips, fmt.Sprintf("day %s or weekday %s: either is enough, both are not needed", day, weekday))
	}
	if n, err := strconv.Atoi(day); err == nil && n > 28 && wildcard(month) && wildcard(weekday) {
		slips = append(slips, fmt.Sprintf("not every month has a day %d: L is the last day", n))
	}
	return slips
}

func wildcard(field string) bool { return field == "*" || field == "?" }

// unevenStep says so when a step (*/7) does not divide its whole.
func unevenStep(field string, whole int, unit, of string) []string {
	step, ok := strings.CutPrefix(field, "*/")
	n, err := strconv.Atoi(step)
	if !ok || err != nil || n < 1 || whole%n == 0 {
		return nil
	}
	last := (whole - 1) / n * n
	return []string{fmt.Sprintf("%s is not every %d %s: each %s begins anew, %d after %d", field, n, unit, of, whole-last, last)}
}
