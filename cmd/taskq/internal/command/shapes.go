package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

// shapes are the messages of the API that commands print as JSON: the whole document, and what
// is on each line of -o jsonl, where that is less.
var shapes = map[string]struct{ document, line string }{
	"taskq queue ls":        {"ListQueuesResponse", "ListedQueue"},
	"taskq queue stats":     {"GetQueueStatsResponse", "QueueSample"},
	"taskq queue pause":     {document: "PauseQueueResponse"},
	"taskq queue resume":    {document: "ResumeQueueResponse"},
	"taskq queue delete":    {document: "DeleteQueueResponse"},
	"taskq queue purge":     {document: "PurgeQueueResponse"},
	"taskq queue create":    {document: "CreateQueueResponse"},
	"taskq task ls":         {"ListTasksResponse", "ListedTask"},
	"taskq task show":       {document: "GetTaskResponse"},
	"taskq task enqueue":    {document: "EnqueueResponse"},
	"taskq task reschedule": {document: "RescheduleTaskResponse"},
	"taskq dlq ls":          {"ListDeadLettersResponse", "DeadLetter"},
	"taskq dlq groups":      {"GroupDeadLettersResponse", "DeadLetterGroup"},
	"taskq dlq show":        {document: "GetDeadLetterResponse"},
	"taskq dlq edit":        {document: "EditDeadLetterResponse"},
	"taskq dlq redrive":     {document: "GetBulkJobResponse"},
	"taskq dlq discard":     {document: "GetBulkJobResponse"},
	"taskq dlq export":      {line: "DeadLetter"},
	"taskq bulk ls":         {"ListBulkJobsResponse", "BulkJob"},
	"taskq bulk show":       {document: "GetBulkJobResponse"},
	"taskq bulk cancel":     {document: "CancelBulkJobResponse"},
	"taskq bulk resume":     {document: "GetBulkJobResponse"},
	"taskq schedule ls":     {"ListJobsResponse", "Job"},
	"taskq schedule show":   {document: "GetJobStatusResponse"},
	"taskq schedule next":   {document: "GetJobStatusResponse"},
	"taskq schedule run":    {document: "RunNowResponse"},
	"taskq schedule pause":  {document: "PauseJobResponse"},
	"taskq schedule resume": {document: "ResumeJobResponse"},
	"taskq schedule cancel": {document: "CancelJobResponse"},
	"taskq worker ls":       {"ListWorkersResponse", "Worker"},
	"taskq worker quiet":    {document: "QuietWorkerResponse"},
	"taskq worker resume":   {document: "ResumeWorkerResponse"},
	"taskq type ls":         {"ListTypesResponse", "TaskType"},
	"taskq audit ls":        {"ListAuditRecordsResponse", "AuditRecord"},
}

// ownShapes are the forms of what commands print as JSON that is no message of the API.
var ownShapes = map[string]string{
	"taskq task cancel": `{"tasks": [{"id": TEXT, "removed": BOOL, "workerIds": [TEXT], "error": TEXT}]}, and with -o jsonl a task a line. With --on it is
the message GetBulkJobResponse of the API.`,
	"taskq doctor": `{"findings": [{"level": TEXT, "check": TEXT, "subject": TEXT, "evidence": TEXT, "advice": TEXT}]}, and with -o jsonl a
finding a line. A level is ok, note, warning or problem.`,
	"taskq bench": `{"provider": TEXT, "tasks": NUMBER, "runs": NUMBER, "producers": NUMBER, "batch": NUMBER, "enqueuedPerSecond": FIGURE,
"completedPerSecond": FIGURE, "latencyMs": FIGURE}, where a figure is {"median": NUMBER, "min": NUMBER, "max": NUMBER}.`,
	"taskq ctx ls":  `{"contexts": [{"name": TEXT, "current": BOOL, "url": TEXT, "token": TEXT}]}, and with -o jsonl a name a line. The token is where it is.`,
	"taskq version": `{"version": TEXT, "revision": TEXT, "modified": BOOL, "go": TEXT}, without what is not known.`,
}

// shapeOf says what a command prints as JSON; empty for one that prints none.
func shapeOf(cmd *cobra.Command) string {
	if own, ok := ownShapes[cmd.CommandPath()]; ok {
		return "As JSON it prints " + own
	}
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
