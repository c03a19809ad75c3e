package testserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const getNode = `the SQS emulators need Node.js 20 or later with npm: %s. Get it:
    Debian 13, Ubuntu 25.04   sudo apt-get install nodejs npm
    Fedora                    sudo dnf install nodejs npm
    macOS                     brew install node
    elsewhere                 https://nodejs.org/en/download
or let TASKGEN_TEST_SQS_ENDPOINT name an SQS that runs already`

// The SQS emulators, which are npm packages. Neither keeps anything beyond its
// process, so that a Restart empties it.
const (
	// FauxSQS has the semantics of queues right: leases, dead letters, the order
	// and the lock of a message group, long polls, load. It takes parameters and
	// handles that AWS refuses.
	FauxSQS = "fauxqs"
	// LocalAWSSQS has the errors of AWS right. Its long polls wait for a full
	// batch, and its FIFO queues do not lock groups.
	LocalAWSSQS = "local-aws-sqs"
)

// SQS starts FauxSQS. URL is its endpoint; it takes any credentials.
func SQS() (*Server, error) {
	if s := external("TASKGEN_TEST_SQS_ENDPOINT"); s != nil {
		return s, nil
	}
	return SQSEmulator(FauxSQS)
}

// SQSEmulator starts FauxSQS or LocalAWSSQS, whatever the environment names. The
// packages, at the versions of emulators/package.json, are installed the first
// time, into the user's cache folder.
func SQSEmulator(name string) (*Server, error) {
	node, launcher, err := emulators()
	if err != nil {
		return nil, err
	}
	return start(name, func(string) (plan, error) {
		ports, err := freePorts(1)
		if err != nil {
			return plan{}, err
		}
		addr := loopback(ports[0])
		return plan{"http://" + addr, []*daemon{{
			name: name, argv: []string{node, launcher, name, strconv.Itoa(ports[0])},
			ready: func(ctx context.Context, _ *daemon) error { return sqsReady(ctx, addr) },
		}}}, nil
	})
}

// sqsReady lists the queues. A new emulator has none, so that what lists any, or
// does not understand, is somebody else's.
func sqsReady(ctx context.Context, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=none")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || strings.Contains(string(body), "http") {
		return fmt.Errorf("ListQueues answers %s: %.200s", resp.Status, body)
	}
	return nil
}

// emulators are the paths of Node.js and of the launcher among the installed
// packages. The folder's name says what was installed. Processes that come at
// the same time each install beside it and the first one's stays.
func emulators() (node, launcher string, err error) {
	node, err = findNode()
	if err != nil {
		return "", "", err
	}
	from, err := sourceDir("internal/testserver/emulators")
	if err != nil {
		return "", "", err
	}
	sum := sha256.New()
	files := make(map[string][]byte)
	for _, name := range []string{"package.json", "launch.mjs"} {
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
	dir := filepath.Join(cache, "sqs-emulators-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	launcher = filepath.Join(dir, "launch.mjs")
	if _, err := os.Stat(launcher); err == nil {
		return node, launcher, nil
	}
	if err := install(files, dir); err != nil {
		return "", "", fmt.Errorf("install the SQS emulators: %w", err)
	}
	return node, launcher, nil
}

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

// install puts files into a folder of its own, installs what package.json among
// them asks for, and moves the folder to dir whole.
func install(files map[string][]byte, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf(getNode, "there is no npm on PATH")
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "sqs-emulators-scratch-")
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
