package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/taskgen/taskgen/examples/docsearch/internal/embed"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

// enqueueDocuments brings the index in line with the folder: it enqueues a task
// for each document that is new or has changed, and forgets those that are gone.
func (a *app) enqueueDocuments(ctx context.Context) error {
	paths, err := documents(a.root.FS())
	if err != nil {
		return fmt.Errorf("list the documents in %s: %w", a.cfg.Dir, err)
	}
	if len(paths) == 0 {
		return fmt.Errorf("there are no documents (.md, .markdown, .txt) in %s: give another -dir", a.cfg.Dir)
	}
	indexed, err := a.index.Documents(ctx)
	if err != nil {
		return err
	}
	died, err := a.deadDocuments(ctx)
	if err != nil {
		return err
	}
	var todo []tasks.DocumentTask
	for i, p := range paths {
		source, err := fs.ReadFile(a.root.FS(), p)
		if err != nil {
			return err
		}
		parameters := parametersOf(i)
		// A version that is in the index and not finished has its tasks on the
		// queues already, and a dead document is redriven later.
		if indexed[p].Version != versionOf(source, parameters) && !died[p] {
			todo = append(todo, tasks.DocumentTask{Path: p, Parameters: parameters})
		}
		delete(indexed, p)
	}
	for gone := range indexed {
		if err := a.index.Remove(ctx, gone); err != nil {
			return err
		}
	}
	a.printf("documents: %d in %s, %d to index", len(paths), a.cfg.Dir, len(todo))
	switch a.cfg.Provider {
	case Memory:
	case SQLite:
		a.printf("; queue and index are in %s", a.cfg.Data)
	default:
		a.printf("; the queues are on %s, the index is in %s", a.provider.Name(), a.cfg.Data)
	}
	a.printf("\n")
	if len(todo) == 0 {
		return nil
	}
	a.printf("each is a task, and enqueues one for each of its passages\n")
	_, err = tasks.EnqueueDocumentBatch(ctx, a.manager, todo)
	return err
}

// parametersOf says how to split the document with this number. The first asks
// for a splitter that is switched off at first: it is the one that dies, and is
// redriven once the splitter is on.
func parametersOf(number int) map[string]any {
	if number == 0 {
		return map[string]any{"splitter": lateSplitter}
	}
	return map[string]any{"splitter": "headings", "size": 120, "overlap": 20}
}

// versionOf identifies all that the indexed form of a document depends on.
func versionOf(source []byte, parameters map[string]any) string {
	h := sha256.New()
	// JSON has its keys sorted, and ends where it ends: no two pairs of
	// parameters and source look alike. That it fails is impossible: the
	// parameters are, or come from, JSON.
	_ = json.NewEncoder(h).Encode(parameters)
	fmt.Fprintln(h, embed.Model)
	h.Write(source)
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// documents lists the documents of a folder and those below it, sorted. Folders
// that begin with a dot are not looked into, nor are those of other people's
// files and of test data.
func documents(folder fs.FS) ([]string, error) {
	var paths []string
	err := fs.WalkDir(folder, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone since it was listed
		case err != nil:
			return err
		case d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || skipped[d.Name()]):
			return fs.SkipDir
		case d.Type().IsRegular() && kinds[strings.ToLower(path.Ext(p))]:
			paths = append(paths, p)
		}
		return nil
	})
	return paths, err
}

var (
	skipped = map[string]bool{"node_modules": true, "vendor": true, "testdata": true}
	kinds   = map[string]bool{".md": true, ".markdown": true, ".txt": true}
)
