package driver

// A Sealer keeps payloads from anyone who can read the store of tasks that are not
// enqueued yet: a store of jobs. The Enqueuers of package encrypt's middleware are
// Sealers, and a Manager finds them. Many goroutines use a Sealer at once. Its errors
// name the task.
type Sealer interface {
	// Seal returns a copy of t with its payload sealed and bound to its ID, or t itself
	// if it is sealed already.
	Seal(t *Task) (*Task, error)
	// Unseal undoes Seal. It returns t itself if it is not sealed.
	Unseal(t *Task) (*Task, error)
}
