package testserver

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const natsVariable = "TASKGEN_TEST_NATS_URL"

// NATS starts a NATS server with JetStream, of the version that the module in the
// folder nats pins; it is compiled the first time, into the user's cache folder.
// The lines are added to the block jetstream of its configuration, as in
// NATS("sync_interval: always"); those that begin with tls go before it.
func NATS(lines ...string) (*Server, error) {
	if s := external(natsVariable); s != nil {
		return s, nil
	}
	return start("nats", func(dir string) (plan, error) { return natsPlan(dir, lines...) })
}

func natsPlan(dir string, lines ...string) (plan, error) {
	exe, err := natsProgram()
	if err != nil {
		return plan{}, fmt.Errorf("compile nats-server: %w\nor let %s name a NATS server with JetStream that runs already", err, natsVariable)
	}
	ports, err := freePorts(1)
	if err != nil {
		return plan{}, err
	}
	name := fmt.Sprintf("taskgen-%d-%d", os.Getpid(), ports[0])
	conf := filepath.Join(dir, "nats.conf")
	var tls, jetstream []string
	for _, line := range lines {
		if strings.HasPrefix(line, "tls") {
			tls = append(tls, line)
		} else {
			jetstream = append(jetstream, line)
		}
	}
	text := fmt.Sprintf("listen: %q\nserver_name: %q\n%s\njetstream {\n  store_dir: %q\n  %s\n}\n",
		loopback(ports[0]), name, strings.Join(tls, "\n"), filepath.Join(dir, "data"), strings.Join(jetstream, "\n  "))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return plan{}, err
	}
	return plan{"nats://" + loopback(ports[0]), []*daemon{{
		name: "nats", argv: []string{exe, "-c", conf}, ready: func(ctx context.Context, _ *daemon) error {
			return natsReady(ctx, loopback(ports[0]), name)
		},
	}}}, nil
}

// natsReady reads the line with which a NATS server greets.
func natsReady(ctx context.Context, addr, name string) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	var info struct {
		Name      string `json:"server_name"`
		JetStream bool   `json:"jetstream"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info); err != nil {
		return fmt.Errorf("the greeting is %q: %w", line, err)
	}
	if info.Name != name || !info.JetStream {
		return fmt.Errorf("the greeting is that of server %q, JetStream %t", info.Name, info.JetStream)
	}
	return nil
}

// natsProgram is the path of the compiled server, whose name says what it was
// compiled from. Processes that come at the same time each compile it, and the
// last one's stays: they are all the same.
func natsProgram() (string, error) {
	dir, err := sourceDir("internal/testserver/nats")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	exe := filepath.Join(cache, "nats-server-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(exe); err == nil {
		return exe, nil
	}
	scratch, err := os.MkdirTemp(cache, "nats-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	built := filepath.Join(scratch, "nats-server")
	build := exec.Command("go", "build", "-o", built, "github.com/nats-io/nats-server/v2")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	return exe, os.Rename(built, exe)
}

// sourceDir is where a folder of this repository is. The module is asked of the
// go command, which knows it from within any of the repository's modules.
func sourceDir(folder string) (string, error) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/taskgen/taskgen")
	var stderr strings.Builder
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", list, err, stderr.String())
	}
	return filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(folder)), nil
}

// CacheDir is the folder for what is got once and kept: in the user's cache
// folder, or in the system's temporary one where there is none.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "taskgen")
	return dir, os.MkdirAll(dir, 0o755)
}
