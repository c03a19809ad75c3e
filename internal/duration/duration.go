// Package duration reads durations as people write them in annotations and in
// configuration files.
package duration

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrTooLong is the error of a duration that a [time.Duration] cannot hold.
var ErrTooLong = errors.New("it is longer than a duration can be (292 years)")

// Parse reads a duration as [time.ParseDuration] does, with d for a day of 24
// hours as one more unit, before all others: 14d, 1d12h, -0.5d.
func Parse(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	digits, negative := strings.CutPrefix(days, "-")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is not a number of days", days)
	}
	whole := n * 24 * float64(time.Hour)
	if whole >= math.MaxInt64 {
		return 0, ErrTooLong
	}
	d := time.Duration(whole)
	if rest != "" {
		more, err := time.ParseDuration(rest)
		switch {
		case err != nil || strings.Trim(rest[:1], "0123456789.") != "":
			return 0, fmt.Errorf("%q is not a duration", s)
		case d+more < d:
			return 0, ErrTooLong
		}
		d += more
	}
	if negative {
		d = -d
	}
	return d, nil
}
