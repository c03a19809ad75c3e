// Package tasks declares work that runs by the clock.
//
//taskgen:defaults timeout=5m
//taskgen:retry max=3 base=1s cap=1m
//taskgen:queue name=reports
//taskgen:schedules owner=reports
package tasks

//go:generate go tool taskgen

// TidyTask removes what nobody needs any more, every night.
//
//taskgen:task queue=reports
//taskgen:schedule cron="30 2 * * *" tz=Europe/Berlin overlap=skip
type TidyTask struct{}

// ReportTask sends one report to one reader. Programs schedule it.
//
//taskgen:task queue=reports schedulable
type ReportTask struct {
	Name   string `json:"name" task:"required"`
	Reader string `json:"reader"`
}
