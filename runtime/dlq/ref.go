package dlq

import (
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// refSeparator separates the ID and the version of a death in a Letter.Ref.
const refSeparator = "@died-"

func refOf(d driver.Death) string { return d.ID + refSeparator + d.Version }

// TaskID returns the ID of the task that a Letter.Ref is about. Of an ID it returns the ID.
func TaskID(ref string) string { return parseRef(ref).id }

// A letterRef identifies a letter: by the ID of its task, or by a Letter.Ref.
type letterRef struct {
	id      string
	version string // "": any death of the task
}

func parseRef(text string) letterRef {
	const digits = 32
	if i := len(text) - digits - len(refSeparator); i > 0 && text[i:i+len(refSeparator)] == refSeparator {
		if version := text[i+len(refSeparator):]; strings.Trim(version, "0123456789abcdef") == "" {
			return letterRef{text[:i], version}
		}
	}
	return letterRef{id: text}
}

func (a letterRef) matches(t *runtime.Task) bool {
	return t.ID == a.id && (a.version == "" || driver.DeathOf(t).Version == a.version)
}

// letterRefs are the letters to find, by ID. Nil: all.
type letterRefs map[string][]letterRef

func parseRefs(texts []string) letterRefs {
	if texts == nil {
		return nil
	}
	all := make(letterRefs, len(texts))
	for _, text := range texts {
		a := parseRef(text)
		all[a.id] = append(all[a.id], a)
	}
	return all
}

func (as letterRefs) matches(t *runtime.Task) bool {
	if as == nil {
		return true
	}
	for _, a := range as[t.ID] {
		if a.matches(t) {
			return true
		}
	}
	return false
}
