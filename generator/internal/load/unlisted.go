package load

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"github.com/taskgen/taskgen/generator/internal/platform"
)

// unlisted returns the packages that mention taskgen and that patterns with ... do not
// match because none of their files is built here. The go command matches them on
// another system, or with other tags.
func (p *Program) unlisted(ctx context.Context, roots []*packages.Package) ([]*packages.Package, error) {
	listed := make(map[string]bool, len(roots))
	for _, m := range roots {
		listed[filepath.Clean(dirOf(m))] = true
	}
	here := platform.Here(p.cfg.Env, p.cfg.Tags)
	var dirs []string
	for _, pattern := range p.cfg.Patterns {
		base, ok := strings.CutSuffix(filepath.ToSlash(pattern), "/...")
		if !ok || base != "." && base != ".." && !strings.HasPrefix(base, "./") && !strings.HasPrefix(base, "../") && !filepath.IsAbs(base) {
			continue
		}
		if !filepath.IsAbs(base) {
			base = filepath.Join(p.cfg.Dir, base)
		}
		base, err := filepath.Abs(base)
		if err != nil {
			continue
		}
		dirs = append(dirs, missed(p.cfg.Trace, base, listed, here)...)
	}
	slices.Sort(dirs)
	dirs = slices.Compact(dirs)
	if len(dirs) == 0 {
		return nil, nil
	}
	found, err := p.list(ctx, dirs...)
	if err != nil {
		return nil, err
	}
	// A folder in no module of the run has no files.
	return slices.DeleteFunc(found, func(m *packages.Package) bool {
		return len(m.IgnoredFiles) == 0 || slices.ContainsFunc(roots, func(root *packages.Package) bool { return root.PkgPath == m.PkgPath })
	}), nil
}

// missed are the folders below base, as the go command walks them, whose files are all
// built elsewhere, if one mentions taskgen.
func missed(t *Trace, base string, listed map[string]bool, here platform.Target) []string {
	var dirs []string
	_ = filepath.WalkDir(base, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil // the go command ignores unreadable folders, too
		}
		if name := e.Name(); path != base {
			if name[0] == '.' || name[0] == '_' || name == "testdata" || name == "vendor" {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir
			}
		}
		if !listed[path] && away(t, path, here) {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}

// away reports whether no file of a folder is built here, and one mentions taskgen.
func away(t *Trace, dir string, here platform.Target) bool {
	texts, err := readDir(t, dir)
	if err != nil {
		return false
	}
	mentions := false
	for _, f := range texts {
		if f.test || f.own {
			continue
		}
		if x, err := platform.Of(f.path, f.src); err != nil || here.Holds(x) {
			return false
		}
		mentions = mentions || f.mentions
	}
	return mentions
}
