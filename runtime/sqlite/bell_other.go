//go:build !linux

package sqlite

import "time"

// A bell exists only on Linux.
type bell struct{}

func newBell(string) *bell { return nil }

func (b *bell) wait(time.Duration, <-chan struct{}) bool { return false }
func (b *bell) rang() bool                               { return false }
func (b *bell) stop()                                    {}
func (b *bell) close() error                             { return nil }
