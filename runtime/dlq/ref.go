package dlq

import (
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// between separates the ID and the version of a death in a Letter.Ref.
const between = "@died-"

func refOf(d driver.Death) string { return d.ID + between + d.Version }

// An address identifies a letter: by the ID of its task, or by a Letter.Ref.
type address struct {
	id      string
	version string // "": any death of the task
}

func parse(text string) address {
	const digits = 32
	if i := len(text) - digits - len(between); i > 0 && text[i:i+len(between)] == between {
		if version := text[i+len(between):]; strings.Trim(version, "0123456789abcdef") == "" {
			return address{text[:i], version}
		}
	}
	return address{id: text}
}

func (a address) names(t *runtime.Task) bool {
	return t.ID == a.id && (a.version == "" || driver.DeathOf(t).Version == a.version)
}

// addresses are the letters to find, by ID. Nil: all.
type addresses map[string][]address

func parseAll(texts []string) addresses {
	if texts == nil {
		return nil
	}
	all := make(addresses, len(texts))
	for _, text := range texts {
		a := parse(text)
		all[a.id] = append(all[a.id], a)
	}
	return all
}

func (as addresses) name(t *runtime.Task) bool {
	if as == nil {
		return true
	}
	for _, a := range as[t.ID] {
		if a.names(t) {
			return true
		}
	}
	return false
}
