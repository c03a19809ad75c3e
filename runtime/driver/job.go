package driver

// Metadata keys that a scheduler writes into the task of a firing; see package schedule.
const (
	MetaJob    = "taskgen.job"    // the ID of the job
	MetaFiring = "taskgen.firing" // the time of the firing, RFC 3339
)
