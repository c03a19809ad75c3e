package memory

// An idTable finds tasks by ID.
type idTable struct {
	byID map[string]*item
	peak peak
}

func (t *idTable) put(it *item) {
	if t.byID == nil {
		t.byID = make(map[string]*item)
	}
	t.byID[it.task.ID] = it
	t.peak.note(len(t.byID))
}

// remove takes it off the table, but none of its twins.
func (t *idTable) remove(it *item, twins bool) {
	if !twins {
		delete(t.byID, it.task.ID)
		return
	}
	switch first := t.byID[it.task.ID]; {
	case first != it:
		for first.twin != it {
			first = first.twin
		}
		first.twin = it.twin
	case it.twin != nil:
		t.byID[it.task.ID] = it.twin
	default:
		delete(t.byID, it.task.ID)
	}
}
