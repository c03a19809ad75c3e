package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

// shapes are the messages of the API that commands print as JSON: the whole document, and what
// is on each line of -o jsonl, where that is less.
var shapes = map[string]struct{ document, line string }{
	"taskq queue stats":     {"GetQueueStatsResponse", "QueueSample"},
	"taskq task show":       {document: "GetTaskResponse"},
	"taskq task enqueue":    {document: "EnqueueResponse"},
	"taskq schedule ls":     {"ListJobsResponse", "Job"},
	"taskq schedule show":   {document: "GetJobStatusResponse"},
	"taskq schedule next":   {document: "GetJobStatusResponse"},
	"taskq schedule run":    {document: "RunNowResponse"},
	"taskq schedule pause":  {document: "PauseJobResponse"},
	"taskq schedule resume": {document: "ResumeJobResponse"},
	"taskq schedule cancel": {document: "CancelJobResponse"},
	"taskq worker ls":       {"ListWorkersResponse", "Worker"},
	"taskq type ls":         {"ListTypesResponse", "TaskType"},
}

// shapeOf says what a command prints as JSON; empty for one that prints no message of the API.
func shapeOf(cmd *cobra.Command) string {
	s, ok := shapes[cmd.CommandPath()]
	switch {
	case !ok:
		return ""
	case s.document == "":
		return fmt.Sprintf("Each line is the message %s of the API.", s.line)
	case s.line == "":
		return fmt.Sprintf("As JSON it prints the message %s of the API.", s.document)
	}
	return fmt.Sprintf("As JSON it prints the message %s of the API; with -o jsonl each line is the message %s.", s.document, s.line)
}
