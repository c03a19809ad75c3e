package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Elsewhere returns a function that reads other locks in place of those at a path: git:REF is
// the one at a commit, and all else the path of a file that stands for all.
func Elsewhere(ctx context.Context, where string) (func(path string) ([]byte, error), error) {
	if ref, ok := strings.CutPrefix(where, "git:"); ok {
		return func(path string) ([]byte, error) { return atCommit(ctx, path, ref) }, nil
	}
	text, err := os.ReadFile(where)
	if err != nil {
		return nil, fmt.Errorf("taskgen: the lock to compare with: %w", err)
	}
	return func(string) ([]byte, error) { return text, nil }, nil
}

// atCommit reads a lock as it was at a commit of the repository in which it is. If it was not
// there, the error wraps fs.ErrNotExist.
func atCommit(ctx context.Context, path, ref string) ([]byte, error) {
	commit, err := git(ctx, path, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("taskgen: there is no commit %q in the repository of %s: fetch it, or name another", ref, filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("taskgen: a lock at a commit needs git: %w", err)
	}
	object := strings.TrimSpace(string(commit)) + ":./" + filepath.Base(path)
	if _, err := git(ctx, path, "cat-file", "-e", object); err != nil {
		return nil, fmt.Errorf("%s at %s: %w", path, ref, fs.ErrNotExist)
	}
	text, err := git(ctx, path, "cat-file", "blob", object)
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", path, ref, err)
	}
	return text, nil
}

// git runs git in the folder of a file.
func git(ctx context.Context, path string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = filepath.Dir(path)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = fmt.Errorf("git %s: %s", args[0], bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}
