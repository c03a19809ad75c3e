package testserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

const getNode = `the SQS emulators need Node.js 20 or later with npm, and so does BullMQ: %s. Get it:
    Debian 13, Ubuntu 25.04   sudo apt-get install nodejs npm
    Fedora                    sudo dnf install nodejs npm
    macOS                     brew install node
    elsewhere                 https://nodejs.org/en/download
or let TASKGEN_TEST_SQS_ENDPOINT name an SQS that runs already`

// Node is the path of a Node.js of version 20 or later.
func Node() (string, error) { return findNode() }

// findNode looks for a Node.js that is new enough: on PATH, then where
// scripts/setup.sh puts one on systems whose own is too old.
func findNode() (string, error) {
	var candidates []string
	if node, err := exec.LookPath("node"); err == nil {
		candidates = append(candidates, node)
	}
	if cache, err := CacheDir(); err == nil {
		own, _ := filepath.Glob(filepath.Join(cache, "node", "node_modules", "node-linux-*", "bin", "node")) // the pattern is a good one
		candidates = append(candidates, own...)
	}
	why := "there is no node on PATH"
	for _, node := range candidates {
		version, err := exec.Command(node, "--version").Output()
		if err != nil {
			why = fmt.Sprintf("%s --version fails: %v", node, err)
			continue
		}
		text := strings.TrimSpace(string(version))
		major, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), ".")
		if n, err := strconv.Atoi(major); err == nil && n >= 20 {
			return node, nil
		}
		why = node + " is " + text
	}
	return "", fmt.Errorf(getNode, why)
}

// NodePackages installs what a folder of the project names in its package.json, beside
// the program in it, and returns the paths of Node.js and of that program. That happens
// once, in the user's cache folder: the installed folder's name says what is in it.
// Processes that come at the same time each install beside it, and the first one's
// stays.
func NodePackages(folder, program string) (node, installed string, err error) {
	node, err = findNode()
	if err != nil {
		return "", "", err
	}
	from, err := sourceDir(folder)
	if err != nil {
		return "", "", err
	}
	sum := sha256.New()
	files := make(map[string][]byte)
	for _, name := range []string{"package.json", program} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return "", "", err
		}
		files[name] = text
		sum.Write(text)
	}
	cache, err := CacheDir()
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(cache, path.Base(folder)+"-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	installed = filepath.Join(dir, program)
	if _, err := os.Stat(installed); err == nil {
		return node, installed, nil
	}
	if err := install(files, dir); err != nil {
		return "", "", fmt.Errorf("install the packages of %s: %w", folder, err)
	}
	return node, installed, nil
}

// install puts files into a folder of its own, installs what package.json among them asks
// for, and moves the folder to dir whole.
func install(files map[string][]byte, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf(getNode, "there is no npm on PATH")
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+"-scratch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(scratch, name), text, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.Command(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error")
	cmd.Dir = scratch
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	err = os.Rename(scratch, dir)
	if _, statErr := os.Stat(dir); statErr == nil {
		return nil // this one's, or that of a process which was faster
	}
	return errors.Join(errors.New("the installed folder cannot be moved into place"), err)
}
