package between // want package:"enqueues tasks.MailSpec"

import "github.com/taskgen/taskgen/analyzer/testdata/unhandled/orders"

// Take hides the package that enqueues from those that call it.
var Take = orders.Take
