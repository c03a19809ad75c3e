//go:build !linux

package faultproxy

import "time"

func pause(d time.Duration) { time.Sleep(d) }
