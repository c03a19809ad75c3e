package gosrc

import (
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// A scope assigns unique names.
type scope struct{ taken map[string]bool }

// newScope returns a scope in which the given names are taken, and so are predeclared
// names and err, which every reader takes for an error.
func newScope(taken ...string) *scope {
	s := &scope{map[string]bool{"err": true, "_": true}}
	for _, name := range append(taken, types.Universe.Names()...) {
		s.taken[name] = true
	}
	return s
}

func (s *scope) free(name string) bool {
	return name != "" && !token.IsKeyword(name) && !s.taken[name]
}

// pick takes the first free name of those given, or numbers the last one.
func (s *scope) pick(names ...string) string {
	name := names[len(names)-1]
	if i := slices.IndexFunc(names, s.free); i >= 0 {
		name = names[i]
	}
	last := name
	for n := 2; !s.free(name); n++ {
		name = last + strconv.Itoa(n)
	}
	s.taken[name] = true
	return name
}

// nameImports assigns the import name of every package that the file may mention: the
// name in the user's files, or else its own, if that is free. A name is not free if the
// package declares it, in any file.
func (f *file) nameImports() {
	taken := slices.Concat(f.pkg.Scope, f.pkg.Symbols())
	for i := range f.pkg.Tasks {
		taken = append(taken, f.pkg.Tasks[i].Symbols()...)
	}
	names := newScope(taken...)
	f.taken = make(map[string]bool, len(f.pkg.Scope))
	for _, name := range f.pkg.Scope {
		f.taken[name] = true
	}
	f.locals = newScope(slices.Collect(maps.Keys(mentioned(f.pkg)))...)
	for _, imp := range imported(f.pkg) {
		name := names.pick(imp.alias, imp.name, parentName(imp.path)+imp.name)
		f.imports[imp.path] = name
		if name != imp.name || name != assumedName(imp.path) {
			f.written[imp.path] = name
		}
		f.locals.taken[name] = true
	}
	f.names = newScope(slices.Concat(taken, f.pkg.Imported, slices.Collect(maps.Values(f.imports)))...)
}

// others are the names of parameters whose usual name would hide an import or a type.
var others = map[string]string{
	"ctx": "context", "to": "enqueuer", "task": "payload", "tasks": "payloads", "opts": "options",
	"r": "router", "h": "handler", "f": "fn", "t": "payload", "from": "results", "id": "taskID", "in": "scheduler", "when": "due", "verb": "letter",
	"plain": "bare", "T": "P", "hook": "onDead", "cause": "reason",
}

// params names the parameters of one function, so that they hide neither imports nor
// the types that generated code mentions. They become words under their usual names.
func (f *file) params(w words, usual ...string) (names []string) {
	for _, name := range usual {
		w[name] = f.locals.pick(name, others[name])
		names = append(names, w[name])
	}
	for _, name := range names { // the next function may have them as well
		delete(f.locals.taken, name)
	}
	return names
}

// use returns the name of a package and makes the part import it.
func (f *file) use(path string) string {
	f.part.imports[path] = f.written[path]
	return f.imports[path]
}

// predeclared is the predeclared type of that name, or its substitute if the package
// declares the name itself.
func (f *file) predeclared(name string) string {
	if !f.taken[name] {
		return name
	}
	switch name {
	case "string":
		return f.use(GeneratedPath) + ".String"
	case "error":
		return f.use(GeneratedPath) + ".Error"
	case "rune":
		return "int32"
	}
	return name
}

type importedPackage struct{ path, name, alias string }

// imported lists the packages that the file may mention, those of its own machinery
// first, so that they keep their names.
func imported(pkg *model.Package) []importedPackage {
	var all []importedPackage
	add := func(path, name string) {
		if !slices.ContainsFunc(all, func(imp importedPackage) bool { return imp.path == path }) {
			all = append(all, importedPackage{path, name, alias(pkg, path)})
		}
	}
	add("context", "context")
	add("log/slog", "slog")
	add(RuntimePath, "runtime")
	add(GeneratedPath, "generated")
	if pkg.Jobs() {
		add(SchedulePath, "schedule")
	}
	if usesTime(pkg) {
		add("time", "time")
	}
	if usesFmt(pkg) {
		add("fmt", "fmt")
	}
	own := len(all)
	eachType(pkg, func(t *model.Type) {
		if t.Path != "" && t.Path != pkg.Path {
			add(t.Path, t.Package)
		}
	})
	slices.SortFunc(all[own:], func(a, b importedPackage) int { return strings.Compare(a.path, b.path) })
	return all
}

// alias is the name of a package in the user's files, or "".
func alias(pkg *model.Package, path string) string {
	if i := slices.IndexFunc(pkg.Imports, func(imp model.Import) bool { return imp.Path == path }); i >= 0 {
		return pkg.Imports[i].Name
	}
	return ""
}

func usesFmt(pkg *model.Package) bool {
	return len(pkg.Holders) > 0 || slices.ContainsFunc(pkg.Tasks, func(t model.Task) bool { return hasSecrets(&t) || t.Group() != nil })
}

// mentioned are the names of the package's own types that the file mentions.
func mentioned(pkg *model.Package) map[string]bool {
	names := make(map[string]bool)
	eachType(pkg, func(t *model.Type) {
		if t.Path == "" || t.Path == pkg.Path {
			names[t.Name] = true
		}
	})
	for i := range pkg.Tasks {
		names[pkg.Tasks[i].Struct] = true
	}
	for i := range pkg.Holders {
		names[pkg.Holders[i].Name] = true
	}
	return names
}

// eachType calls visit for every type that the file prints, and for those inside.
func eachType(pkg *model.Package, visit func(*model.Type)) {
	for i := range pkg.Tasks {
		t := &pkg.Tasks[i]
		if t.Result != nil {
			walk(t.Result, visit)
		}
		for _, f := range t.All() {
			walk(&f.Type, visit)
		}
	}
}

func walk(t *model.Type, visit func(*model.Type)) {
	visit(t)
	for i := range t.Args {
		walk(&t.Args[i], visit)
	}
	if t.Key != nil {
		walk(t.Key, visit)
	}
	if t.Elem != nil {
		walk(t.Elem, visit)
	}
	if t.Kind == model.Struct {
		for i := range t.Fields {
			walk(&t.Fields[i].Type, visit)
		}
	}
}

// parentName is the path element before the last, as the beginning of a name: it
// distinguishes two packages with the same name. For packages of the standard library
// without such an element it is std.
func parentName(importPath string) string {
	parent := path.Base(path.Dir(unversioned(importPath)))
	if parent == "." {
		return "std"
	}
	name := strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, parent)
	return strings.TrimLeftFunc(name, unicode.IsDigit)
}

// assumedName is the package name that goimports expects for a path. If it differs from
// the real one, goimports writes the name into the import. This package does the same:
// else the two would undo each other's work.
func assumedName(importPath string) string {
	base := strings.TrimPrefix(path.Base(unversioned(importPath)), "go-")
	if i := strings.IndexFunc(base, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}); i >= 0 {
		base = base[:i]
	}
	return base
}

// unversioned is a path without the major version at its end.
func unversioned(importPath string) string {
	dir, last := path.Split(importPath)
	if n, ok := strings.CutPrefix(last, "v"); ok && dir != "" {
		if _, err := strconv.Atoi(n); err == nil {
			return strings.TrimSuffix(dir, "/")
		}
	}
	return importPath
}
