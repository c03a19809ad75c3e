package runtime

import "github.com/google/uuid"

// idLen is the length of a UUID's text form.
const idLen = 36

// ids hands out new task IDs (UUIDv7), whose text shares one allocation.
type ids struct{ text string }

// newIDs makes an ID for each task that has none.
func newIDs(tasks []*Task) *ids {
	n := 0
	for _, t := range tasks {
		if t.ID == "" {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	text := make([]byte, n*idLen)
	for i := range n {
		id := uuid.Must(uuid.NewV7()) // fails only where the system has no randomness
		b, _ := id.MarshalText()
		copy(text[i*idLen:], b)
	}
	return &ids{string(text)}
}

func (s *ids) next() string {
	id := s.text[:idLen]
	s.text = s.text[idLen:]
	return id
}
