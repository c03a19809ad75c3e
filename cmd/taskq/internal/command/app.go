package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/contexts"
	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
)

// An app is one run of taskq: its streams, its global flags and what it is connected to.
type app struct {
	*terminal.Streams
	getenv func(string) string

	server, tokenFile, caFile, certFile, keyFile string
	provider, config                             string
	queues                                       []string
	benchmark                                    bool
	format, color                                string
	timeout                                      time.Duration

	client *target.Client
	name   string // of what it is connected to; empty before
	log    *noteHandler
	mu     sync.Mutex // of log and Err
}

func newApp(in io.Reader, out, errOut io.Writer, getenv func(string) string) *app {
	a := &app{Streams: &terminal.Streams{In: in, Out: out, Err: errOut}, getenv: getenv}
	a.log = &noteHandler{a: a}
	return a
}

// check looks at the global flags before a command runs.
func (a *app) check() error {
	if err := terminal.CheckFormat(a.format); err != nil {
		return exit.Usagef("%w", err)
	}
	if err := a.SetColor(a.color, a.getenv); err != nil {
		return exit.Usagef("%w", err)
	}
	if a.timeout < 0 {
		return exit.Usagef("--timeout is %s: it is a duration, or 0 for none", a.timeout)
	}
	return nil
}

// A call is what a command does once it is connected.
type call func(ctx context.Context, c *target.Client, args []string) error

// calls connects and calls. The timeout is for connecting, and for each call that is no stream.
func (a *app) calls(run call) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		return run(cmd.Context(), c, args)
	}
}

// connect opens what the flags name, else the environment, else the current context.
func (a *app) connect(ctx context.Context) (*target.Client, error) {
	if a.client != nil {
		return a.client, nil
	}
	o, err := a.options()
	if err != nil {
		return nil, err
	}
	opening, cancel := ctx, context.CancelFunc(func() {})
	if a.timeout > 0 {
		opening, cancel = context.WithTimeout(ctx, a.timeout)
	}
	defer cancel()
	c, err := target.Open(opening, o)
	if err != nil {
		return nil, err
	}
	a.client, a.name = c, c.Name
	return c, nil
}

// close ends the connection.
func (a *app) close() error {
	if a.client == nil {
		return nil
	}
	c := a.client
	a.client = nil
	return c.Close()
}

// options are what to connect to.
func (a *app) options() (target.Options, error) {
	o := target.Options{Provider: a.provider, Config: a.config, Queues: a.queues, Logger: a.log.logger(), Timeout: a.timeout, Benchmark: a.benchmark, CAFile: a.caFile, CertFile: a.certFile, KeyFile: a.keyFile}
	if a.provider == "" && a.config == "" && a.server == "" {
		a.server = a.getenv("TASKQ_SERVER")
		if a.server == "" {
			o.Provider = a.getenv("TASKQ_PROVIDER")
		}
	} else if hasPassword(a.provider) {
		a.Notef("warning: --provider has a password, which the list of processes shows: put the URL into TASKQ_PROVIDER")
	}
	if o.Provider != "" || o.Config != "" {
		if a.server != "" {
			return o, exit.Usagef("-s names a server, and --provider or --config a broker: give one of them")
		}
		return o, nil
	}
	err := a.serverOptions(&o)
	return o, err
}

// serverOptions are those of a running server.
func (a *app) serverOptions(o *target.Options) error {
	var c contexts.Context
	switch {
	case strings.Contains(a.server, "://"):
		c.URL = a.server
	default:
		found, err := a.contextNamed(a.server)
		if err != nil {
			return err
		}
		c = found
	}
	if len(a.queues) > 0 {
		return exit.Usagef("--queue opens queues of a broker: a server has its own")
	}
	o.URL = c.URL
	o.CAFile, o.CertFile, o.KeyFile = cmp.Or(o.CAFile, c.CAFile), cmp.Or(o.CertFile, c.CertFile), cmp.Or(o.KeyFile, c.KeyFile)
	o.Token = c.Token
	switch file := cmp.Or(a.tokenFile, c.TokenFile); {
	case a.tokenFile == "" && a.getenv("TASKQ_TOKEN") != "":
		o.Token = a.getenv("TASKQ_TOKEN")
	case file != "":
		token, err := target.ReadToken(file)
		if err != nil {
			return err
		}
		o.Token = token
	}
	return nil
}

// hasPassword reports whether a URL has a password, or may have one.
func hasPassword(url string) bool {
	_, rest, _ := strings.Cut(url, "://")
	user, _, ok := strings.Cut(rest, "@")
	return ok && strings.Contains(user, ":")
}

// hints say how to mend what the API answers with a code.
var hints = map[connect.Code]string{
	connect.CodeUnauthenticated:  "put the token into TASKQ_TOKEN, or its file into --token-file",
	connect.CodePermissionDenied: "use a token with a role that allows it",
	connect.CodeUnavailable:      "check that the server runs, and that its URL is right: taskq doctor looks further",
	connect.CodeDeadlineExceeded: "give it longer with --timeout",
}

// report prints an error and how to mend it.
func (a *app) report(err error) {
	var answer *connect.Error
	var own *exit.Error
	text, hint := err.Error(), ""
	switch {
	case errors.As(err, &own):
		hint = own.Hint
	case errors.As(err, &answer):
		hint = hints[answer.Code()]
		if text == answer.Error() { // not wrapped: without the code in front
			text = answer.Message()
		}
		if a.name != "" {
			text = a.name + ": " + text
		}
	}
	a.Notef("taskq: %s", text)
	if hint != "" {
		a.Notef("  %s", hint)
	}
}

// show prints an answer in the form of --output.
func (a *app) show(answer message, items []message, print func() error) error {
	return a.Show(a.format, answer, items, print)
}

// table prints a table.
func (a *app) table(t *terminal.Table) func() error { return func() error { return a.Print(t) } }

// details prints names and values, one pair a line, or as many as a long value takes. Pairs
// without a value are left out.
func (a *app) details(pairs ...string) error {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			width = max(width, len(pairs[i]))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		head := a.Colored(terminal.Faint, pairs[i]) + strings.Repeat(" ", width-len(pairs[i])+2)
		if err := a.indented(head, width+2, pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// indented prints a text behind a head that is so many characters wide, and wraps it there.
func (a *app) indented(head string, width int, text string) error {
	room, _ := a.Size()
	lines := terminal.Wrap(terminal.Visible(text), max(room-width, 0))
	_, err := fmt.Fprintln(a.Out, head+strings.Join(lines, "\n"+strings.Repeat(" ", width)))
	return err
}

func quoted(text string) string { return strconv.Quote(text) }

// done says on standard error what was done: it is no data.
func (a *app) done(format string, args ...any) func() error {
	return func() error {
		a.Notef(format, args...)
		return nil
	}
}
