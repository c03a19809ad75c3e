package platform

import (
	"cmp"
	"go/build"
	"go/build/constraint"
	"math/bits"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// A Target is a build target of the go command: a system, an architecture and the tags
// that are set.
type Target struct {
	System, Arch string
	Cgo          bool
	Tags         []string // those given with -tags
	ToolTags     []string // those that come with the toolchain, goexperiment.x
}

// Here is the target of an environment, as os.Environ returns it; nil is that of this
// process. tags are separated by commas, as for -tags; without any, those of GOFLAGS
// count.
func Here(env []string, tags string) Target {
	if env == nil {
		env = os.Environ()
	}
	value := func(name, or string) string {
		for _, kv := range slices.Backward(env) {
			if v, ok := strings.CutPrefix(kv, name+"="); ok && v != "" {
				return v
			}
		}
		return or
	}
	to := Target{
		System: value("GOOS", runtime.GOOS), Arch: value("GOARCH", runtime.GOARCH),
		ToolTags: build.Default.ToolTags,
	}
	native := to.System == runtime.GOOS && to.Arch == runtime.GOARCH
	switch value("CGO_ENABLED", "") {
	case "1":
		to.Cgo = true
	case "":
		to.Cgo = native && build.Default.CgoEnabled
	}
	if tags == "" {
		for flag := range strings.FieldsSeq(value("GOFLAGS", "")) {
			if v, ok := strings.CutPrefix(strings.TrimPrefix(flag, "-"), "-tags="); ok {
				tags = v
			} else if v, ok := strings.CutPrefix(flag, "-tags="); ok {
				tags = v
			}
		}
	}
	to.Tags = slices.DeleteFunc(strings.FieldsFunc(tags, func(r rune) bool { return r == ',' || r == ' ' }), func(t string) bool { return t == "" })
	return to
}

// Env is the addition to the environment of a go command that builds for from, so that
// it builds for to.
func (to Target) Env(from Target) []string {
	var env []string
	moved := to.System != from.System || to.Arch != from.Arch
	if moved {
		env = append(env, "GOOS="+to.System, "GOARCH="+to.Arch)
	}
	if moved || to.Cgo != from.Cgo {
		env = append(env, "CGO_ENABLED="+map[bool]string{true: "1", false: "0"}[to.Cgo])
	}
	return env
}

// Holds reports whether a file with a constraint is built in the target.
func (to Target) Holds(x constraint.Expr) bool {
	return x == nil || x.Eval(func(tag string) bool {
		return slices.Contains(to.Tags, tag) || slices.Contains(to.ToolTags, tag) ||
			matches(Target{System: to.System, Arch: to.Arch, Cgo: to.Cgo}, "x.go", "//go:build "+tag+"\n\npackage p\n")
	})
}

// Elsewhere finds a target, little different from to, in which a file with the
// constraint is built and for which this toolchain builds. It returns false if there is
// none, or if the constraint is too long.
func (to Target) Elsewhere(x constraint.Expr) (found Target, ok bool) {
	tried(to, []constraint.Expr{x}, isFree, func(p Target, _ facts) bool {
		found, ok = p, !slices.Contains(p.Tags, "ignore") && p.Holds(x)
		return !ok
	})
	return found, ok
}

// Possible reports whether a file with the constraint can be built anywhere: not if the
// constraint contradicts itself, or requires the tag ignore, which is never set.
func Possible(x constraint.Expr) bool {
	possible := false
	all := tried(Target{}, []constraint.Expr{x}, isTag, func(_ Target, f facts) bool {
		possible = !f["ignore"] && f.holds(x)
		return !possible
	})
	return possible || !all
}

// Same reports whether files with the constraints are built in the same targets.
// Constraints that are too long to compare are the same if their texts are.
func Same(a, b constraint.Expr) bool { return Implies(a, b) && Implies(b, a) }

// Implies reports whether a file with constraint b is built wherever one with a is.
func Implies(a, b constraint.Expr) bool {
	if b == nil || a != nil && a.String() == b.String() {
		return true
	}
	implied := true
	all := tried(Target{}, []constraint.Expr{a, b}, isTag, func(_ Target, f facts) bool {
		implied = !f.holds(a) || f.holds(b)
		return implied
	})
	return implied && all
}

// facts are which tags of some constraints are on.
type facts map[string]bool

func (f facts) holds(x constraint.Expr) bool {
	return x == nil || x.Eval(func(tag string) bool { return f[tag] })
}

// isTag reports whether a tag is not one of a platform.
func isTag(tag string) bool { return tag != "unix" && !isSystem(tag) && !isArch(tag) }

// isFree reports whether users may set a tag: it does not come with the toolchain.
func isFree(tag string) bool {
	return isTag(tag) && !strings.HasPrefix(tag, "goexperiment.") && !version.MatchString(tag) &&
		!slices.Contains([]string{"gc", "gccgo", "boringcrypto"}, tag)
}

var version = regexp.MustCompile(`^go[0-9]+(\.[0-9]+)*$`)

// Bounds of the constraints for which all targets are tried: the number of tags, with
// repeats, and of different tags that are on or off independently.
const (
	maxWords = 48
	maxTags  = 8
)

// tried calls try with the targets that the constraints can distinguish, and with the
// values of their tags there: first to, then those with few changes of the variable
// tags, then other platforms. It stops if try returns false, and returns false if the
// constraints are too long.
func tried(to Target, xs []constraint.Expr, variable func(string) bool, try func(Target, facts) bool) bool {
	var all []string
	for _, x := range xs {
		all = append(all, words(x)...)
	}
	if len(all) > maxWords {
		return false
	}
	slices.Sort(all)
	all = slices.Compact(all)
	tags := slices.DeleteFunc(slices.Clone(all), func(t string) bool { return !variable(t) })
	if len(tags) > maxTags {
		return false
	}
	sets := subsets(tags, func(t string) bool { return slices.Contains(to.Tags, t) || t == "cgo" && to.Cgo })
	for _, p := range platforms(to, all) {
		f := make(facts, len(all))
		for _, tag := range all {
			f[tag] = p.Holds(&constraint.TagExpr{Tag: tag})
		}
		for _, on := range sets {
			for _, tag := range tags {
				f[tag] = slices.Contains(on, tag)
			}
			if !try(p.with(tags, on), f) {
				return true
			}
		}
	}
	return true
}

// with is the target with some of the tags on, and all others of them off.
func (to Target) with(tags, on []string) Target {
	to.Tags = slices.DeleteFunc(slices.Clone(to.Tags), func(t string) bool { return slices.Contains(tags, t) })
	to.Tags = append(to.Tags, on...)
	if slices.Contains(tags, "cgo") { // which is no tag for -tags
		to.Cgo = slices.Contains(on, "cgo")
		to.Tags = slices.DeleteFunc(to.Tags, func(t string) bool { return t == "cgo" })
	}
	return to
}

// subsets are all subsets of tags, those first that differ little from the tags that
// are on.
func subsets(tags []string, on func(string) bool) [][]string {
	masks := make([]int, 1<<len(tags)) // of flipped tags
	for i := range masks {
		masks[i] = i
	}
	slices.SortStableFunc(masks, func(a, b int) int { return cmp.Compare(bits.OnesCount(uint(a)), bits.OnesCount(uint(b))) })
	sets := make([][]string, len(masks))
	for i, mask := range masks {
		for j, tag := range tags {
			if flipped := mask&(1<<j) != 0; flipped != on(tag) {
				sets[i] = append(sets[i], tag)
			}
		}
	}
	return sets
}

// systems and arches are the ones Go builds for, the usual ones first. onlyOn are the
// systems that exist only with some of the architectures.
var (
	systems = []string{"linux", "darwin", "windows", "freebsd", "netbsd", "openbsd", "android", "ios", "dragonfly", "illumos", "solaris", "aix", "plan9", "js", "wasip1"}
	arches  = []string{"amd64", "arm64", "386", "arm", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"}
	onlyOn  = map[string][]string{
		"darwin": {"amd64", "arm64"}, "js": {"wasm"}, "wasip1": {"wasm"}, "ios": {"arm64", "amd64"}, "aix": {"ppc64"},
		"illumos": {"amd64"}, "solaris": {"amd64"}, "dragonfly": {"amd64"},
	}
)

// platforms are to on the systems and architectures that tags can distinguish, its own
// first.
func platforms(to Target, tags []string) []Target {
	found := []Target{to}
	if !slices.ContainsFunc(tags, func(t string) bool { return !isTag(t) }) {
		return found
	}
	for _, system := range append([]string{to.System}, systems...) {
		for _, arch := range append([]string{to.Arch}, arches...) {
			if only := onlyOn[system]; only == nil && arch != "wasm" || slices.Contains(only, arch) {
				other := to
				other.System, other.Arch = system, arch
				other.Cgo = other.Cgo && system == to.System && arch == to.Arch // as in the go command
				found = append(found, other)
			}
		}
	}
	return found
}

// words are the tags of a constraint, with repeats.
func words(x constraint.Expr) []string {
	switch x := x.(type) {
	case *constraint.TagExpr:
		return []string{x.Tag}
	case *constraint.NotExpr:
		return words(x.X)
	case *constraint.AndExpr:
		return append(words(x.X), words(x.Y)...)
	case *constraint.OrExpr:
		return append(words(x.X), words(x.Y)...)
	}
	return nil
}
