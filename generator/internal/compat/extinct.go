package compat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/lock"
)

// An Extinct is what no task in a queue has any more: a shape of a type, the name of a type
// with all of its shapes, or a queue.
type Extinct struct{ Type, Shape, Queue string }

// ParseExtinct reads one as people write it: mail@0123456789ab, mail or queue:mails.
func ParseExtinct(text string) (Extinct, error) {
	if queue, ok := strings.CutPrefix(text, "queue:"); ok && queue != "" {
		return Extinct{Queue: queue}, nil
	}
	name, shape, ok := strings.Cut(text, "@")
	if name == "" || strings.Contains(name, ":") || ok && shape == "" {
		return Extinct{}, fmt.Errorf("taskgen: %q is neither a type (mail), nor a shape of one (mail@0123456789ab), nor a queue (queue:mails)", text)
	}
	return Extinct{Type: name, Shape: shape}, nil
}

func (e Extinct) String() string {
	switch {
	case e.Queue != "":
		return "the queue " + e.Queue
	case e.Shape != "":
		return "the shape " + e.Shape + " of " + e.Type
	}
	return "the type " + e.Type
}

// remove removes it from a lock, and reports whether it was there.
func (e Extinct) remove(f lock.File) bool {
	found := false
	for name, t := range f {
		switch {
		case e.Queue != "":
			found = drop(&t.Queues, e.Queue) || found
		case e.Shape == "" && name == e.Type:
			delete(f, name)
			found = true
		case e.Shape == "":
			found = drop(&t.Names, e.Type) || found
		case name == e.Type:
			_, found = t.Shapes[e.Shape]
			delete(t.Shapes, e.Shape)
			t.Trim()
		}
	}
	return found
}

func drop(from *[]string, s string) bool {
	i := slices.Index(*from, s)
	if i < 0 {
		return false
	}
	*from = slices.Delete(*from, i, i+1)
	return true
}
