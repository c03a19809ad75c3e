package schedule_test

import (
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/schedule"
)

// When a job is due: once or again and again.
func ExampleWhen() {
	for _, when := range []schedule.When{
		schedule.At(time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)),
		schedule.In(90 * time.Minute),
		schedule.Every(time.Hour),
		schedule.Cron("30 2 * * *", "Europe/Berlin"),
		schedule.Cron("@monthly", ""),
	} {
		fmt.Printf("%s, recurring: %t\n", when, when.Recurring())
	}
	// Output:
	// at 2030-01-01T09:00:00Z, recurring: false
	// in 1h30m0s, recurring: false
	// every 1h0m0s, recurring: true
	// cron "30 2 * * *" in Europe/Berlin, recurring: true
	// cron "@monthly" in UTC, recurring: true
}
