package page

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// words is a duration as in annotations: 14d, 1h30m, 250ms.
func words(d time.Duration) string {
	const day = 24 * time.Hour
	text := ""
	if d >= day {
		text = strconv.FormatInt(int64(d/day), 10) + "d"
		if d %= day; d == 0 {
			return text
		}
	}
	rest := d.String()
	if strings.HasSuffix(rest, "m0s") {
		rest = strings.TrimSuffix(rest, "0s")
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = strings.TrimSuffix(rest, "0m")
	}
	return text + rest
}

// shown is how many delays of a retry policy are listed.
const shown = 8

// retries is a retry policy in words.
func retries(r model.Retry) string {
	if r.Max == 0 {
		return "none"
	}
	var delays []string
	for n := 1; n <= min(r.Max, shown); n++ {
		delays = append(delays, words(delay(r, n)))
	}
	text := strconv.Itoa(r.Max) + " after the first run, "
	switch last := len(delays) - 1; {
	case r.Max > shown:
		text += fmt.Sprintf("after delays of %s and so on up to %s", strings.Join(delays, ", "), words(delay(r, r.Max)))
	case last == 0:
		text = "1 after the first run, after a delay of " + delays[0]
	default:
		text += fmt.Sprintf("after delays of %s and %s", strings.Join(delays[:last], ", "), delays[last])
	}
	if r.Jitter > 0 {
		text += fmt.Sprintf(", each of them ± %s %%", strconv.FormatFloat(math.Round(r.Jitter*1000)/10, 'f', -1, 64))
		text += fmt.Sprintf(" and at most %s", words(cmp.Or(r.Cap, model.DefaultRetryCap)))
	}
	return text
}

// delay is that before the given retry, 1 being the first, without jitter. It is cut to
// milliseconds above a second.
func delay(r model.Retry, retry int) time.Duration {
	d, limit := float64(cmp.Or(r.Base, model.DefaultRetryBase)), cmp.Or(r.Cap, model.DefaultRetryCap)
	switch r.Backoff {
	case "constant":
	case "linear":
		d *= float64(retry)
	default:
		d *= math.Pow(cmp.Or(r.Factor, model.DefaultRetryFactor), float64(retry-1))
	}
	if d >= float64(limit) {
		return limit
	}
	if d > float64(time.Second) {
		return time.Duration(d).Truncate(time.Millisecond)
	}
	return time.Duration(d)
}

func unique(t *model.Task) string {
	if t.Unique == nil {
		return ""
	}
	text := strings.Join(t.UniqueMembers(), ", ")
	if t.Unique.Within > 0 {
		return text + ", within " + words(t.Unique.Within)
	}
	return text + ", until the task is done or dead"
}

func schedule(s *model.Schedule) string {
	text := s.Cron + " in " + cmp.Or(s.TZ, "UTC")
	if s.Name != "" {
		text = s.Name + ": " + text
	}
	if s.Overlap == "skip" {
		text += ", not while the previous one is not done"
	}
	switch s.Missed {
	case "all":
		text += ", each missed firing made up for"
	case "skip":
		text += ", missed firings skipped"
	}
	if s.Jitter > 0 {
		text += ", spread over " + words(s.Jitter)
	}
	if s.Payload != "" {
		text += ", with " + s.Payload
	}
	return text
}

func result(t *model.Task) string {
	if t.Result == nil {
		return ""
	}
	name := t.Result.Name
	if name == "" {
		name = string(t.Result.Kind)
	}
	return name + ", kept for " + words(cmp.Or(t.Retention, model.DefaultRetention))
}

// kind is a JSON type in words.
func kind(v *model.Value) string {
	text := ""
	switch v.Kind {
	case model.TextValue:
		text = "string"
	case model.TimeValue:
		text = "string: time (RFC 3339)"
	case model.BytesValue:
		text = "string: base64"
	case model.BooleanValue:
		text = "boolean"
	case model.IntegerValue:
		text = fmt.Sprintf("integer of %d bits", v.Bits)
		if v.Unsigned {
			text += ", from 0"
		}
	case model.NumberValue:
		text = "number"
	case model.ListValue:
		text = "array of " + kind(v.Elem)
		if v.Len >= 0 {
			text = fmt.Sprintf("array of %d: %s", v.Len, kind(v.Elem))
		}
	case model.MapValue:
		text = "object by names: " + kind(v.Elem)
	case model.ObjectValue:
		text = "object"
	case model.RefValue:
		text = cmp.Or(v.Ref, "the payload itself")
	default:
		return "anything"
	}
	if v.Quoted {
		text = "string: " + text
	}
	if v.Null {
		text += ", or null"
	}
	return text
}
