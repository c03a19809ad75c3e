// Package tasks declares the background work of a shop. Its producer, consumer and scheduler
// are programs of their own, and share this package.
//
//taskgen:defaults timeout=30s
//taskgen:retry max=8 base=1s cap=5m jitter=0.2
//taskgen:queue name=mails
//taskgen:queue name=reports
//taskgen:schedules owner=shop
package tasks

//go:generate go tool taskgen

// ConfirmOrderTask tells a customer that the shop has their order. While it waits, the same
// order is not confirmed a second time.
//
//taskgen:task queue=mails
//taskgen:unique by=Order
type ConfirmOrderTask struct {
	Order int64  `json:"order" task:"required"`
	Email string `json:"email" task:"required,secret"`
}

// SalesReportTask reports the sales of the day before, every morning. Operators may ask for
// another one.
//
//taskgen:task queue=reports schedulable
//taskgen:schedule cron="0 6 * * *" tz=Europe/Berlin overlap=skip
type SalesReportTask struct{}
