package model

// Group is the field that orders tasks on a FIFO queue, or nil.
func (t *Task) Group() *Field {
	for _, f := range t.All() {
		if f.Group {
			return f
		}
	}
	return nil
}

// Required lists the required fields.
func (t *Task) Required() []*Field {
	var fields []*Field
	for _, f := range t.All() {
		if f.Required {
			fields = append(fields, f)
		}
	}
	return fields
}

// RequiredMembers are the names of the required fields in JSON.
func (t *Task) RequiredMembers() []string {
	var names []string
	for _, f := range t.Required() {
		names = append(names, f.JSON)
	}
	return names
}

// UniqueMembers are the names in JSON of the fields that make a task unique, in the
// declared order.
func (t *Task) UniqueMembers() []string {
	if t.Unique == nil {
		return nil
	}
	names := make([]string, 0, len(t.Unique.By))
	for _, by := range t.Unique.By {
		for _, f := range t.All() {
			if f.Name == by {
				names = append(names, f.JSON)
				break
			}
		}
	}
	return names
}
