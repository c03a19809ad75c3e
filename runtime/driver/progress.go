package driver

// A ProgressReport is how far a handler has come, in units of its own.
type ProgressReport struct {
	Done, Total int64  // Total is 0 where the handler does not know it
	Note        string // for people, shown in clear: keep secrets out of it
}
