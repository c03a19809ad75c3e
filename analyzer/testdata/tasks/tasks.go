// Package tasks declares the tasks of the packages beside it.
//
//taskgen:defaults timeout=1m
//taskgen:retry none
//taskgen:queue name=mails
//taskgen:queue name=audits
package tasks

// An Account is a part of tasks.
type Account struct {
	Bank string `json:"bank"`
	IBAN string `json:"iban" task:"secret"`
}

// MailTask sends a mail.
//
//taskgen:task queue=mails schedulable
type MailTask struct {
	To      string   `json:"to"`
	Token   string   `json:"token,omitempty" task:"secret"`
	Key     []byte   `json:"key,omitempty" task:"secret"`
	Account Account  `json:"account"`
	Others  []string `json:"others,omitempty"`
}

// NewsTask has a result, and the queue of MailTask.
//
//taskgen:task queue=mails result=Receipt
type NewsTask struct {
	Issue int `json:"issue"`
}

// A Receipt is a result.
type Receipt struct {
	Sent int `json:"sent"`
}

// AuditTask runs every night.
//
//taskgen:task queue=audits
//taskgen:schedule cron="0 3 * * *" tz=UTC
type AuditTask struct {
	Day int `json:"day"`
}
