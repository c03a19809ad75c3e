// Package tasks declares the background work of the program.
//
//taskgen:defaults timeout=30s
//taskgen:retry max=5 base=1s cap=1m
//taskgen:queue name=mail
package tasks

//go:generate go tool taskgen

// WelcomeTask sends a new user their first mail.
//
//taskgen:task queue=mail
type WelcomeTask struct {
	UserID int64  `json:"user_id"`
	Email  string `json:"email" task:"required"`
}
