package wire

import (
	"fmt"
	"strings"
)

// share makes equal forms within a form the same one. Forms are equal unless something tells
// them apart: it starts with classes of those that look alike from outside, and divides a class
// as long as the parts of its forms are in different classes, as Moore's algorithm does with the
// states of an automaton.
func share(root Place) Place {
	all := reachable(root.Form)
	class := make(map[*Form]int, len(all))
	for count := 0; ; {
		next := make(map[*Form]int, len(all))
		known := make(map[string]int)
		for _, f := range all {
			look := f.look(class)
			n, ok := known[look]
			if !ok {
				n = len(known) + 1
				known[look] = n
			}
			next[f] = n
		}
		class = next
		if len(known) == count {
			break
		}
		count = len(known)
	}
	first := make(map[int]*Form)
	for _, f := range all {
		if first[class[f]] == nil {
			first[class[f]] = f
		}
	}
	same := func(f **Form) { *f = first[class[*f]] }
	for _, f := range first {
		f.parts(same)
	}
	same(&root.Form)
	return root
}

// reachable are a form and all its parts, each once.
func reachable(f *Form) []*Form {
	seen := map[*Form]bool{f: true}
	all := []*Form{f}
	for i := 0; i < len(all); i++ {
		all[i].parts(func(part **Form) {
			if !seen[*part] {
				seen[*part] = true
				all = append(all, *part)
			}
		})
	}
	return all
}

// parts calls visit for each form that is directly in another one.
func (f *Form) parts(visit func(**Form)) {
	if f.Keys != nil {
		visit(&f.Keys)
	}
	if f.Elem != nil {
		visit(&f.Elem.Form)
	}
	for i := range f.Members {
		visit(&f.Members[i].Form)
	}
}

// look is what distinguishes a form from others, given the classes of its parts.
func (f *Form) look(class map[*Form]int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %t %q %d", f.Kind, f.Bits, f.Unsigned, f.Codec, f.Len)
	if f.Keys != nil {
		fmt.Fprintf(&b, " [%d]", class[f.Keys])
	}
	if f.Elem != nil {
		fmt.Fprintf(&b, " %d %t", class[f.Elem.Form], f.Elem.Pointer)
	}
	for i := range f.Members {
		m := &f.Members[i]
		fmt.Fprintf(&b, " %q %d %t %t %t", m.Name, class[m.Form], m.Pointer, m.Quoted, m.Required)
	}
	return b.String()
}
