package shape

import (
	"bytes"
	"fmt"
	"go/types"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/emit/gosrc"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// stretch is how many bytes make one of the files to check: few enough to give all
// processors work.
const stretch = 32 << 10

// A File is the required content of a Go file.
type File struct {
	Declarations [][]byte
	Names        map[string]bool // names before a dot: the needed imports are among them
}

// Reduce returns files of a package that compile only if the generated file with these
// parts does. structs has the package's handwritten types, and taken reports whether
// the package has a name by hand or by an import. It returns false if no such files are
// known.
func Reduce(pkg *model.Package, scans []*Scan, structs *types.Package, taken func(name string) bool) ([]File, bool) {
	r := &reduction{
		pkg: pkg, structs: structs, taken: taken, frames: make(map[string]*frame), methods: make(map[string]bool),
		elements: make(map[string]bool), owners: make(map[string]*mention), real: make(map[int]bool),
		tasks: make(map[int]*task, len(pkg.Tasks)), types: newNumbers(), meanings: make(map[line]int),
	}
	ok := usesAll(scans) && !taken("string") && !slices.ContainsFunc(pkg.Scope, func(name string) bool { return strings.HasPrefix(name, prefix) })
	for _, s := range scans {
		for _, t := range s.tasks {
			ok = ok && r.tasks[t.index] == nil
			r.tasks[t.index] = t
			r.frame(t)
		}
	}
	ok = ok && r.claim(scans) && r.share(scans)
	for _, s := range scans {
		for _, t := range s.tasks {
			ok = ok && r.task(t)
		}
	}
	for _, s := range scans {
		for _, d := range s.guards {
			ok = ok && r.guard(d)
		}
	}
	if !ok {
		return nil, false
	}
	r.wireNames(scans)
	return r.files()
}

// usesAll reports whether the declarations mention each package that they import.
func usesAll(scans []*Scan) bool {
	used := make(map[string]bool)
	for _, s := range scans {
		for name := range s.used {
			used[name] = true
		}
	}
	for _, s := range scans {
		for name := range s.imports {
			if !used[name] {
				return false
			}
		}
	}
	return true
}

// A reduction is the state of Reduce.
type reduction struct {
	pkg      *model.Package
	structs  *types.Package
	taken    func(string) bool
	tasks    map[int]*task
	frames   map[string]*frame
	methods  map[string]bool     // those that frames declare on structs
	owners   map[string]*mention // of names
	real     map[int]bool        // tasks that are checked unreduced
	elements map[string]bool     // the checked ones
	types    *numbers
	meanings map[line]int // the numbers of the texts' types
	out      [][]byte     // the text to be checked
}

// A mention is a name of a task, and whether the shared declarations mention it.
type mention struct {
	task   int
	letter byte
	met    bool
}

// frame finds the frame of a task, and checks whether its struct can have it.
func (r *reduction) frame(t *task) {
	key := t.head + "\n" + string(t.text)
	f := r.frames[key]
	if f == nil {
		f = newFrame(len(r.frames), t)
		r.frames[key] = f
		for _, name := range f.methods {
			r.methods[name] = true
		}
	}
	if t.frame = f; !f.odd && !t.odd && !f.checked {
		f.checked = true
		r.out = append(r.out, f.instantiate(t))
	}
	named, st := r.structOf(t.index)
	r.real[t.index] = t.odd || f.odd || st == nil || has(named, st, f.methods)
}

// has reports whether a struct itself has a field or a method with one of these names.
func has(named *types.Named, st *types.Struct, names []string) bool {
	for i := range named.NumMethods() {
		if slices.Contains(names, named.Method(i).Name()) {
			return true
		}
	}
	for i := range st.NumFields() {
		if slices.Contains(names, st.Field(i).Name()) {
			return true
		}
	}
	return false
}

func (r *reduction) structOf(index int) (*types.Named, *types.Struct) {
	obj, ok := r.structs.Scope().Lookup(r.pkg.Tasks[index].Struct).(*types.TypeName)
	if !ok || obj.IsAlias() {
		return nil, nil
	}
	named, ok := obj.Type().(*types.Named)
	if !ok || named.TypeParams().Len() > 0 {
		return nil, nil
	}
	st, _ := named.Underlying().(*types.Struct)
	return named, st
}

// claim assigns each name that may be renamed to its task. It returns false if two are
// the same, or the package has one besides.
func (r *reduction) claim(scans []*Scan) bool {
	imports := make(map[string]bool)
	for _, s := range scans {
		for name := range s.imports {
			imports[name] = true
		}
	}
	own := func(name string, index int, letter byte) bool {
		if r.owners[name] != nil || imports[name] || strings.HasPrefix(name, prefix) || slices.Contains([]string{"_", "init", "main"}, name) {
			return false
		}
		r.owners[name] = &mention{task: index, letter: letter}
		// The struct is declared by hand, and the wire name in the checked text.
		return letter == structName || letter == wireName || !r.taken(name)
	}
	for _, s := range scans {
		for _, t := range s.tasks {
			for _, letter := range append([]byte{structName, wireName}, t.frame.letters...) {
				if !own(t.names[letter-first], t.index, letter) {
					return false
				}
			}
		}
		for _, d := range s.guards {
			if name, _, ok := guardName(d.Text); ok && !own(name, d.Task, guardLetter) {
				return false
			}
			if _, ok := r.lines(d); !ok {
				r.real[d.Task] = true
			}
		}
	}
	return true
}

// share adds the declarations that belong to no single task, with those that they
// mention.
func (r *reduction) share(scans []*Scan) bool {
	type reference struct {
		t      *task
		letter byte
	}
	var pending []reference
	ok := true
	meet := func(word []byte) {
		m := r.owners[string(word)]
		if m == nil || m.met || m.letter == wireName {
			return
		}
		m.met = true
		t := r.tasks[m.task]
		switch {
		case t == nil:
			ok = false
		case m.letter == structName || m.letter == guardLetter:
			r.real[m.task] = true
		default:
			pending = append(pending, reference{t, m.letter})
		}
	}
	for _, s := range scans {
		for _, text := range s.shared {
			each(text, meet)
			r.out = append(r.out, text)
		}
	}
	for len(pending) > 0 {
		n := pending[0]
		pending = pending[1:]
		if !r.real[n.t.index] {
			r.out = append(r.out, n.t.stub(n.letter, func(letter byte) { meet([]byte(n.t.names[letter-first])) }))
		}
	}
	return ok
}

// task adds the declarations of a task that are not known to compile.
func (r *reduction) task(t *task) bool {
	if r.real[t.index] {
		text := bytes.Join(t.source, nil)
		r.out = append(r.out, text)
		return r.alone(t.index, text)
	}
	var weakest, own bytes.Buffer
	for i := range t.spec {
		e := &t.spec[i]
		fields, deeper, _ := e.selections()
		key, ok := r.key(t, e.text, fields)
		if !ok || slices.ContainsFunc(deeper, func(name string) bool { return r.methods[name] }) {
			return false
		}
		if r.elements[key] {
			continue
		}
		r.elements[key] = true
		if len(fields) > 0 {
			own.Write(e.source)
			own.WriteString(",\n")
			if !r.alone(t.index, e.source) {
				return false
			}
		} else {
			weakest.Write(instance([]byte(e.text+","), t.frame.name))
		}
	}
	if own.Len() > 0 {
		r.out = append(r.out, fmt.Appendf(nil, "var _ = %s{\n%s}\n", t.typ, own.Bytes()))
	}
	if weakest.Len() > 0 {
		_, typ, _ := strings.Cut(t.head, " = ")
		r.out = append(r.out, fmt.Appendf(nil, "var _ = %s%s}\n", bytes.TrimSpace(instance([]byte(typ), t.frame.name)), weakest.Bytes()))
	}
	return true
}

// key is what an element depends on: its text and the types of fields. It returns false
// if the struct has no such fields.
func (r *reduction) key(t *task, text string, fields []string) (string, bool) {
	key := t.head + "\n" + text
	named, _ := r.structOf(t.index)
	for _, name := range fields {
		obj, _, _ := types.LookupFieldOrMethod(named, true, r.structs, name)
		field, ok := obj.(*types.Var)
		if !ok || r.methods[name] {
			return "", false
		}
		key += fmt.Sprintf("\n%s %d", name, r.types.of(field.Type()))
	}
	return key, true
}

// alone reports whether the declarations of one task mention no names of others except
// structs and wire names, and declare no methods of other structs.
func (r *reduction) alone(index int, text []byte) bool {
	ok, structs, functions := true, false, false
	each(text, func(word []byte) {
		functions = functions || string(word) == "func"
		if m := r.owners[string(word)]; m != nil && m.task != index {
			structs = structs || m.letter == structName
			ok = ok && (m.letter == structName || m.letter == wireName)
		}
	})
	return ok && !(structs && functions)
}

// lines are those of a guard with the usual form.
func (r *reduction) lines(d gosrc.Declaration) ([]line, bool) {
	_, st := r.structOf(d.Task)
	if st == nil {
		return nil, false
	}
	return guardLines(d.Text, r.pkg.Tasks[d.Task].Struct, st)
}

// guard adds a guard to be checked, unless all its lines are known and its task is
// checked reduced.
func (r *reduction) guard(d gosrc.Declaration) bool {
	lines, known := r.lines(d)
	_, st := r.structOf(d.Task)
	for i, l := range lines {
		number := r.types.of(st.Field(i).Type())
		known = known && r.meanings[l] == number
		r.meanings[l] = number
	}
	if known && !r.real[d.Task] {
		return true
	}
	r.out = append(r.out, d.Text)
	return r.alone(d.Task, d.Text)
}

// each calls f for every identifier and keyword in a text that was read before.
func each(text []byte, f func(word []byte)) {
	s := scanner{used: make(map[string]bool), each: f}
	_, _ = s.scan(nil, text) // the text was readable before
}

// wireNames adds a check that the wire names are what frames and elements were checked
// with: untyped string constants.
func (r *reduction) wireNames(scans []*Scan) {
	const text = prefix + "Text"
	b := bytes.NewBufferString("type " + text + " string\n\nconst (\n")
	for _, s := range scans {
		for _, t := range s.tasks {
			b.WriteString("_ " + text + " = " + t.names[wireName-first] + "\n")
		}
	}
	b.WriteString(")\n")
	r.out = append(r.out, b.Bytes())
}

// files makes files of the text to be checked.
func (r *reduction) files() ([]File, bool) {
	var files []File
	for len(r.out) > 0 {
		s := scanner{used: make(map[string]bool)}
		n, size := 0, 0
		for ; n < len(r.out) && size < stretch; n++ {
			if _, err := s.scan(nil, r.out[n]); err != nil {
				return nil, false
			}
			size += len(r.out[n])
		}
		files = append(files, File{r.out[:n:n], s.used})
		r.out = r.out[n:]
	}
	return files, true
}
