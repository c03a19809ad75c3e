//go:build !linux

package sqlite

import "time"

// A walNotifier exists only on Linux.
type walNotifier struct{}

func newWALNotifier(string) *walNotifier { return nil }

func (b *walNotifier) wait(time.Duration, <-chan struct{}) bool { return false }
func (b *walNotifier) written() bool                            { return false }
func (b *walNotifier) stop()                                    {}
func (b *walNotifier) close() error                             { return nil }
