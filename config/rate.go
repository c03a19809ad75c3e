package config

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/duration"
	"github.com/taskgen/taskgen/runtime"
)

// A Rate is a number of events in a time, written as in annotations: 100/s, 20/5m. The zero
// Rate means no bound.
type Rate struct {
	Limit int
	Per   time.Duration
}

var errRate = errors.New("a rate is a number and a time, like 100/s or 20/5m")

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	count, per, ok := strings.Cut(string(text), "/")
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	n, err := strconv.Atoi(count)
	d, bad := duration.Parse(per)
	if !ok || err != nil || bad != nil || n < 1 || d <= 0 {
		return errRate
	}
	r.Limit, r.Per = n, d
	return nil
}

// MarshalText writes a rate as UnmarshalText reads it.
func (r Rate) MarshalText() ([]byte, error) {
	if r == (Rate{}) {
		return nil, nil
	}
	return []byte(strconv.Itoa(r.Limit) + "/" + r.Per.String()), nil
}

func (r Rate) runtime() runtime.Rate { return runtime.Rate{Limit: r.Limit, Per: r.Per} }
