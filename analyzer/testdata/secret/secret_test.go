package secret

import "github.com/taskgen/taskgen/analyzer/testdata/tasks"

var madeUp = tasks.MailTask{Token: "hunter2"}
