//go:build unix

package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a child in a process group of its own, with all that it forks.
//
// It is waited for by hand: exec.Cmd.Wait would need a goroutine for as long as
// the process runs.
type process struct {
	pid int // 0: none runs
	log string
}

// hold waits for a line before the shell becomes the program, so that nothing runs that
// the guard does not know.
const hold = `read -r go && exec "$@" </dev/null`

// start starts a process that runs once started has returned.
func (p *process) start(argv, env []string, dir string, log *os.File, started func() error) error {
	hold := exec.Command("/bin/sh", append([]string{"-c", hold, "sh"}, argv...)...)
	hold.Env = append(os.Environ(), env...)
	hold.Dir = dir
	hold.Stdout, hold.Stderr = log, log
	hold.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	defer write.Close()
	hold.Stdin = read
	if err := hold.Start(); err != nil {
		return err
	}
	p.pid = hold.Process.Pid
	if err := hold.Process.Release(); err != nil {
		return err
	}
	if err := started(); err != nil {
		return err
	}
	_, err = io.WriteString(write, "go\n")
	return err
}

// ended says whether the process is over, and how.
func (p *process) ended() (how string, ended bool) {
	if p.pid == 0 {
		return "it was not started", true
	}
	status, ok := p.reap(syscall.WNOHANG)
	if !ok {
		return "", false
	}
	p.pid = 0
	if status.Signaled() {
		return status.Signal().String(), true
	}
	return "exit status " + strconv.Itoa(status.ExitStatus()), true
}

// stop asks the process to end in good order, and waits until it has or ctx has
// ended.
func (p *process) stop(ctx context.Context) error {
	if p.pid == 0 {
		return nil
	}
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop process %d: %w", p.pid, err)
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		if _, ended := p.ended(); ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop process %d: %w", p.pid, ctx.Err())
		case <-again.C:
		}
	}
}

// kill ends the process and all that it forked, and waits until they are gone.
func (p *process) kill() error {
	if p.pid == 0 {
		return nil
	}
	group := -p.pid
	if err := syscall.Kill(group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process group %d: %w", p.pid, err)
	}
	p.reap(0)
	p.pid = 0
	// What the process forked is reaped by init. It may hold the port until then.
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err := syscall.Kill(group, 0); err != nil {
			break
		}
	}
	return nil
}

// freeze stops the process and all that it forked where they are, and thaw lets them
// go on.
func freeze(p *process) error { return p.signal(syscall.SIGSTOP) }
func thaw(p *process) error   { return p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) error {
	if p.pid == 0 {
		return nil
	}
	return syscall.Kill(-p.pid, s)
}

func (p *process) reap(options int) (status syscall.WaitStatus, ok bool) {
	for {
		pid, err := syscall.Wait4(p.pid, &status, options, nil)
		if !errors.Is(err, syscall.EINTR) {
			return status, err == nil && pid == p.pid
		}
	}
}

// A guard is a process that outlives this one, to kill what it left running and to remove
// the data. It reads what runs, one line with the process groups each time that changes.
// When its standard input ends and the last line said anything, this process has died
// without a word.
type guard struct {
	process
	pipe *os.File
}

// Removing is tried more than once: what was killed may be writing still.
const guarding = `
while read -r line; do groups=$line; done
for g in $groups; do kill -s KILL -- "-$g"; done
[ -z "$1" ] || for try in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$1" && break; done
`

// newGuard starts a guard. kept is the lock on a folder that stays, which ends with the
// guard; nil: the folder is removed.
func newGuard(dir string, kept *os.File) (*guard, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	if kept != nil {
		dir = ""
	}
	sh := exec.Command("/bin/sh", "-c", guarding, "sh", dir)
	sh.Stdin = read
	if kept != nil {
		sh.ExtraFiles = []*os.File{kept}
	}
	sh.Dir = os.TempDir()
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := sh.Start(); err != nil {
		write.Close()
		return nil, err
	}
	g := &guard{process{pid: sh.Process.Pid}, write}
	return g, sh.Process.Release()
}

// watch tells the guard what runs now.
func (g *guard) watch(daemons []*daemon) error {
	var line strings.Builder
	for _, d := range daemons {
		if d.pid != 0 {
			line.WriteString(strconv.Itoa(d.pid) + " ")
		}
	}
	_, err := io.WriteString(g.pipe, line.String()+"\n")
	return err
}

// close ends the guard, after the daemons.
func (g *guard) close() error { return errors.Join(g.kill(), g.pipe.Close()) }

// lock opens a file that one process at a time has open.
func lock(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another server uses the folder %s: end that first: %w", filepath.Dir(file), err), f.Close())
	}
	return f, nil
}
