package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/taskgen/taskgen/generator"
)

// generate runs the generator, deals with what differs from the disk as the
// options say, and returns the exit code.
func generate(ctx context.Context, o options, stdout, stderr io.Writer) (int, error) {
	dir, err := os.Getwd()
	if err != nil {
		return exitError, err
	}
	catalog := o.catalog
	if catalog != "" && !filepath.IsAbs(catalog) {
		catalog = filepath.Join(dir, catalog)
	}
	res, err := generator.Generate(ctx, generator.Config{Dir: dir, Patterns: o.patterns, Tags: o.tags, Cache: cacheDir(), Catalog: catalog, Accept: o.accept, Extinct: o.extinct, Against: o.against})
	if err != nil {
		return exitError, err
	}
	rep := report{options: o, dir: dir, result: res, stdout: stdout, stderr: stderr}
	if o.list && !res.HasErrors() {
		return exitOK, rep.list()
	}
	if res.HasErrors() {
		return exitError, rep.print()
	}
	if rep.changes, err = res.Changes(); err != nil {
		return exitError, fmt.Errorf("taskgen: %w", err)
	}
	if (o.check || o.diff) && len(res.Packages)+len(rep.changes) == 0 {
		return exitError, rep.nothing()
	}
	if (o.check || o.diff) && len(rep.changes) > 0 {
		return exitStale, rep.print()
	}
	if !o.check && !o.diff {
		if err := generator.Write(rep.changes); err != nil {
			return exitError, fmt.Errorf("taskgen: %w", err)
		}
	}
	res.Remember(rep.changes)
	return exitOK, rep.print()
}

// cacheVariable is the environment variable that names the folder of the cache, or turns
// the cache off when it is "off". Without it the folder is taskgen in the user's cache
// directory.
const cacheVariable = "TASKGEN_CACHE"

// cacheDir is the folder of the cache; empty when the cache is turned off, or there is no
// place for it.
func cacheDir() string {
	dir := os.Getenv(cacheVariable)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(base, "taskgen")
	}
	if dir == "off" || !filepath.IsAbs(dir) {
		return ""
	}
	return dir
}

// shorten makes a path relative to dir where it lies below, for people.
func shorten(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// plural is a number with its noun: 1 file, 2 files.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
