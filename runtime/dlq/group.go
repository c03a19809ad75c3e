package dlq

import (
	"slices"
	"strings"
	"time"
)

// A Group is the letters of one type that failed in the same way: their errors differ
// only in numbers, IDs and quoted values.
type Group struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Pattern string    `json:"pattern"` // what their errors have in common
	Count   int       `json:"count"`
	First   time.Time `json:"first"` // when the first of them died
	Last    time.Time `json:"last"`
	Example string    `json:"example"` // the ID of the last to die
}

// groups are the groups counted so far, by ID.
type groups map[string]*Group

func (gs groups) add(l *Letter) {
	g := gs[l.Group]
	if g == nil {
		g = &Group{ID: l.Group, Type: l.Type, Pattern: pattern(l.Reason), First: l.FailedAt}
		gs[l.Group] = g
	}
	g.Count++
	if l.FailedAt.Before(g.First) {
		g.First = l.FailedAt
	}
	if !l.FailedAt.Before(g.Last) {
		g.Last, g.Example = l.FailedAt, l.ID
	}
}

// merge adds a group.
func (gs groups) merge(g Group) {
	have := gs[g.ID]
	if have == nil {
		gs[g.ID] = &g
		return
	}
	have.Count += g.Count
	if g.First.Before(have.First) {
		have.First = g.First
	}
	if g.Last.After(have.Last) {
		have.Last, have.Example = g.Last, g.Example
	}
}

// sorted lists the groups, the largest first.
func (gs groups) sorted() []Group {
	all := make([]Group, 0, len(gs))
	for _, g := range gs {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b Group) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}
