package lock

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// The words behind the name of a type, where no shape stands.
const (
	wordName     = "name"
	wordQueue    = "queue"
	wordRemoved  = "removed"
	wordAccepted = "accepted"
)

const preamble = Header + `
# Leave its lines as they are. After a merge with conflicts keep the lines of both sides,
# and run taskgen. A shape that no task has any more leaves it with taskgen extinct.
`

// Text is the content of the file.
func (f File) Text() []byte {
	var b bytes.Buffer
	b.WriteString(preamble)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		b.WriteByte('\n')
		f[name].write(&b, name)
	}
	return b.Bytes()
}

func (t *Type) write(b *bytes.Buffer, name string) {
	for _, queue := range t.Queues {
		fmt.Fprintln(b, name, wordQueue, queue)
	}
	for _, other := range t.Names {
		fmt.Fprintln(b, name, wordName, other)
	}
	for _, r := range slices.SortedFunc(slices.Values(t.Removed), compareRemoved) {
		fmt.Fprintf(b, "%s %s %q %q %q\n", name, wordRemoved, r.Path, r.Form, r.Reason)
	}
	for _, a := range slices.SortedFunc(slices.Values(t.Accepted), compareAccepted) {
		fmt.Fprintf(b, "%s %s %s %s %s %q %q %q\n", name, wordAccepted, a.Shape, a.Direction, a.Problem, a.Path, a.Form, a.Reason)
	}
	for _, hash := range t.Hashes() {
		for _, l := range t.Shapes[hash].Lines {
			fmt.Fprintln(b, name, hash, l)
		}
	}
}

func compareRemoved(a, b Removed) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Form, b.Form), cmp.Compare(a.Reason, b.Reason))
}

func compareAccepted(a, b Accepted) int {
	return cmp.Or(cmp.Compare(a.Shape, b.Shape), cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Problem, b.Problem), cmp.Compare(a.Form, b.Form), cmp.Compare(a.Reason, b.Reason))
}
