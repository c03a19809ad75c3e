// Taskgen writes typed code for background tasks: for every struct that is
// marked //taskgen:task a function that enqueues it, an interface that handles
// it and what ties both to a queue.
//
// Usage:
//
//	taskgen [flags] [packages]
//	taskgen check [flags] [packages]
//	taskgen accept -reason text [packages]
//	taskgen extinct type|type@shape|queue:name…
//	taskgen list [-format json] [packages]
//	taskgen explain [topic]
//	taskgen explain schedule "30 2 * * *" [zone]
//	taskgen -version
//
// Packages are named as for go list; without any it is the one in the current
// directory, and for check, -diff, extinct, list and -catalog all below as well. The usual place for
// the call is a line above a package clause:
//
//	//go:generate go tool taskgen
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator"
)

// Exit codes.
const (
	exitOK    = 0
	exitStale = 1 // -check or -diff found something to do
	exitError = 2 // the user's packages or flags are wrong, or a file cannot be written
)

const usage = `taskgen writes typed code for the structs that are marked //taskgen:task.

Usage:

  taskgen [flags] [packages]   write <package>_taskgen.go beside the structs
  taskgen check [flags] [packages]
                               write nothing; say what tasks in queues would not
                               survive, and list what is out of date
  taskgen accept -reason text [packages]
                               record in taskgen.lock why that does not matter,
                               and write the files
  taskgen extinct name…        remove from taskgen.lock what no task in a queue
                               has any more: a type (mail), a shape of one
                               (mail@0123456789ab) or a queue (queue:mails)
  taskgen list [-format json] [packages]
                               list the tasks: types, queues, limits, shapes
  taskgen explain [topic]      print the reference: all of it, or what there is
                               on a directive (task), a key (task.timeout), the
                               tags of fields (tags), a tag (secret), all rules
                               (rules) or a rule (TASK_NO_QUEUE)
  taskgen explain schedule "30 2 * * *" [zone]
                               print the next ten firings of a cron expression
                               in a time zone (UTC), and what of it may be a slip
  taskgen -version             print the version

Packages are named as for go list: ., ./..., example.com/x/tasks. Without any it
is the one in the current directory (.), and for check, -diff, extinct, list
and -catalog the ones below as well (./...). Usually a line in the package makes the call, for go
generate:

  //go:generate go tool taskgen

Flags:

  -check          the same as taskgen check: exit with 1 if something is out of
                  date
  -against where  also compare with the locks at a commit (git:origin/main), or
                  with the lock in a file
  -diff           write nothing; show what would change, and exit with 1 if
                  anything would
  -tags list      build tags, separated by commas
  -catalog file   also write descriptions of the tasks in all packages, for a
                  server without their code; -check and -diff look at it, too
  -format how     how to report: text (the default), json, github for
                  annotations in GitHub Actions, or sarif
  -q              say nothing but what is wrong
  -version        print the version of taskgen, and exit

A run that finds everything as it was is remembered in the user's cache directory.
TASKGEN_CACHE names another folder for that; with TASKGEN_CACHE=off all is done again.

Exit codes: 0 all is well, 1 out of date, 2 an error. With an error nothing is
written anywhere. It is an error if -check or -diff finds no package with tasks:
a check of nothing would pass for ever.

A package whose tasks are all behind one build constraint, as in tasks_linux.go,
is generated on every system as it is built there.
`

func main() {
	tuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the command line.
type options struct {
	check, diff, quiet, version bool
	list                        bool
	tags, format, catalog       string
	against, accept             string
	extinct, patterns           []string
}

// run writes through a [generator.NewWriter]: what it says holds names, source text and the
// words of the go command.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	out, errOut := generator.NewWriter(stdout, o.format), generator.NewWriter(stderr, "text")
	code := o.run(ctx, args, err, out, errOut)
	if err := errors.Join(out.Flush(), errOut.Flush()); err != nil {
		return exitError
	}
	return code
}

func (o options) run(ctx context.Context, args []string, err error, stdout, stderr io.Writer) int {
	switch {
	case len(args) > 0 && args[0] == "explain":
		return explain(args[1:], stdout, stderr)
	case len(args) > 0 && args[0] == "help", errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "taskgen: %v\nRun taskgen -h for help.\n", err)
		return exitError
	case o.version || len(args) > 0 && args[0] == "version":
		fmt.Fprintln(stdout, version())
		return exitOK
	}
	code, err := generate(ctx, o, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	return code
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("taskgen", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run reports errors itself
	fs.BoolVar(&o.check, "check", false, "")
	fs.BoolVar(&o.diff, "diff", false, "")
	fs.BoolVar(&o.quiet, "q", false, "")
	fs.BoolVar(&o.version, "version", false, "")
	fs.StringVar(&o.tags, "tags", "", "")
	fs.StringVar(&o.format, "format", "text", "")
	fs.StringVar(&o.catalog, "catalog", "", "")
	fs.StringVar(&o.against, "against", "", "")
	command := ""
	if len(args) > 0 && slices.Contains([]string{"check", "accept", "extinct", "list"}, args[0]) {
		command, args = args[0], args[1:]
	}
	if command == "accept" {
		fs.StringVar(&o.accept, "reason", "", "")
	}
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.check, o.list = o.check || command == "check", command == "list"
	if o.patterns = fs.Args(); command == "extinct" {
		o.extinct, o.patterns = fs.Args(), []string{"./..."}
	}
	if i := slices.IndexFunc(o.patterns, func(p string) bool { return strings.HasPrefix(p, "-") }); i >= 0 {
		return o, fmt.Errorf("flags go before the packages: put %s first", o.patterns[i])
	}
	if len(o.patterns) == 0 && (o.check || o.diff || o.list || o.catalog != "") {
		o.patterns = []string{"./..."}
	}
	switch {
	case !slices.Contains([]string{"text", "json", "github", "sarif"}, o.format):
		return o, fmt.Errorf("-format is text, json, github or sarif, not %q", o.format)
	case o.list && (o.check || o.diff || o.catalog != "" || o.against != "" || o.format == "github" || o.format == "sarif"):
		return o, errors.New("list takes packages, -tags and -format text or json")
	case command == "accept" && strings.TrimSpace(o.accept) == "":
		return o, errors.New("accept needs a reason, for those who read taskgen.lock: taskgen accept -reason 'no such task was ever enqueued'")
	case command == "extinct" && len(o.extinct) == 0:
		return o, errors.New("extinct needs the name of what no task has any more: a type, a shape of one as type@shape, or a queue as queue:name")
	case (command == "accept" || command == "extinct") && (o.check || o.diff):
		return o, fmt.Errorf("%s writes taskgen.lock: it goes with neither -check nor -diff", command)
	case o.check && o.diff:
		return o, errors.New("-check and -diff exclude each other: -diff also exits with 1")
	}
	return o, nil
}
