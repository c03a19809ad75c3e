package main // want package:"enqueues tasks.MailSpec pool"

import (
	"github.com/taskgen/taskgen/analyzer/testdata/unhandled/between"
	"github.com/taskgen/taskgen/analyzer/testdata/unhandled/pools"
)

func main() { // want `tasks.MailTask is enqueued at .*orders.go:12 and`
	_, _ = pools.New, between.Take
}
