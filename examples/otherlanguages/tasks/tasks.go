// Package tasks declares work that programs in other languages ask for.
//
//taskgen:defaults timeout=30s
//taskgen:retry max=3 base=1s cap=1m
//taskgen:queue name=mails
//taskgen:queue name=alerts type=priority levels=3
//taskgen:queue name=orders type=fifo
package tasks

//go:generate go tool taskgen

// MailTask sends a mail.
//
//taskgen:task queue=mails
type MailTask struct {
	To string `json:"to" task:"required"`
}

// AlertTask wakes somebody up.
//
//taskgen:task queue=alerts
type AlertTask struct {
	Text string `json:"text" task:"required"`
}

// OrderTask is one step of an order. Those of one order happen in order.
//
//taskgen:task queue=orders
type OrderTask struct {
	Order string `json:"order" task:"group"`
	Step  int    `json:"step" task:"required"`
}
