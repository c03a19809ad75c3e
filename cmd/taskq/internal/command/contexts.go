package command

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/contexts"
	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	"github.com/taskgen/taskgen/internal/nearest"
)

// contextFile reads the servers that the operator has named.
func (a *app) contextFile() (*contexts.File, error) {
	path, err := contexts.Path(a.getenv)
	if err != nil {
		return nil, err
	}
	return contexts.Load(path)
}

// contextNamed is the server of a name; of "", the one in use.
func (a *app) contextNamed(name string) (contexts.Context, error) {
	f, err := a.contextFile()
	if err != nil {
		return contexts.Context{}, err
	}
	if name == "" {
		if f.Current == "" {
			return contexts.Context{}, &exit.Error{
				Code: exit.Usage, Err: fmt.Errorf("there is nothing to connect to"),
				Hint: "name a server with -s URL or \"taskq ctx add NAME URL\", or a broker with --provider URL --queue NAME",
			}
		}
		name = f.Current
	}
	c, ok := f.Contexts[name]
	if !ok {
		return c, unknownContext(f, name)
	}
	return c, nil
}

func unknownContext(f *contexts.File, name string) error {
	hint := "taskq ctx ls lists the names; a URL is like https://tasks.example.com"
	if near, ok := nearest.Name(name, f.Names()); ok {
		hint = "did you mean " + near + "?"
	}
	return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("there is no server with the name %q", name), Hint: hint}
}

// changesContext changes what the file says of a name that it has, and writes it.
func (a *app) changesContext(change func(f *contexts.File, name string)) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		f, err := a.contextFile()
		if err != nil {
			return err
		}
		if _, ok := f.Contexts[args[0]]; !ok {
			return unknownContext(f, args[0])
		}
		change(f, args[0])
		return f.Save()
	}
}

// completeContexts completes the names of servers.
func (a *app) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	f, err := a.contextFile()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return f.Names(), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) contextCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ctx", Short: "names for servers",
		Long: `Names for servers, so that -s prod is enough. They are in the file taskq/contexts.json of
XDG_CONFIG_HOME (or of ~/.config), which only its owner can read.`,
	}
	cmd.AddCommand(a.contextList(), a.contextUse(), a.contextAdd(), a.contextRemove())
	return cmd
}

func (a *app) contextList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "list the names", Args: wants(),
		Example: "taskq ctx ls",
		RunE: func(*cobra.Command, []string) error {
			f, err := a.contextFile()
			if err != nil {
				return err
			}
			return a.showContexts(f)
		},
	}
}

// A shownContext is a context without its token.
type shownContext struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	URL     string `json:"url"`
	Token   string `json:"token"` // where it is
}

func (a *app) showContexts(f *contexts.File) error {
	var all []shownContext
	t := terminal.NewTable(terminal.Column{Name: ""}, terminal.Column{Name: "NAME"}, terminal.Column{Name: "URL", Shrinks: true}, terminal.Column{Name: "TOKEN", Shrinks: true})
	for _, name := range f.Names() {
		c := f.Contexts[name]
		s := shownContext{Name: name, Current: name == f.Current, URL: c.URL, Token: "none"}
		switch {
		case c.TokenFile != "":
			s.Token = "in " + c.TokenFile
		case c.Token != "":
			s.Token = "stored"
		}
		mark := ""
		if s.Current {
			mark = "*"
		}
		all = append(all, s)
		t.Row(mark, s.Name, s.URL, s.Token)
	}
	return showList(a, "contexts", all, a.table(t))
}

func (a *app) contextUse() *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "make a server the one that is called without -s", Args: wants("NAME"),
		Example:           "taskq ctx use prod",
		ValidArgsFunction: a.completeContexts,
		RunE:              a.changesContext(func(f *contexts.File, name string) { f.Current = name }),
	}
}

func (a *app) contextAdd() *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use: "add NAME URL", Short: "name a server", Args: wants("NAME", "URL"),
		Long: `Name a server, in place of what the name meant before. With --token-file the path of the file is
stored, with --token-stdin the token itself. The first name is in use at once.`,
		Example: "taskq ctx add prod https://tasks.example.com --token-file ~/.secrets/prod",
		RunE: func(_ *cobra.Command, args []string) error {
			if strings.Contains(args[0], "://") || strings.ContainsAny(args[0], " \t\r\n") {
				return exit.Usagef("the name %q looks like a URL, or has spaces", args[0])
			}
			if _, err := target.CheckURL(args[1]); err != nil {
				return err
			}
			c := contexts.Context{URL: args[1]}
			for _, p := range []struct {
				from string
				to   *string
			}{{a.tokenFile, &c.TokenFile}, {a.caFile, &c.CAFile}, {a.certFile, &c.CertFile}, {a.keyFile, &c.KeyFile}} {
				if p.from != "" {
					abs, err := filepath.Abs(p.from)
					if err != nil {
						return err
					}
					*p.to = abs
				}
			}
			if stdin {
				if c.TokenFile != "" {
					return exit.Usagef("--token-file and --token-stdin exclude each other")
				}
				text, err := io.ReadAll(io.LimitReader(a.In, 1<<16))
				if err != nil {
					return err
				}
				if c.Token = strings.TrimSpace(string(text)); c.Token == "" {
					return exit.Usagef("there is no token on standard input")
				}
			}
			f, err := a.contextFile()
			if err != nil {
				return err
			}
			f.Contexts[args[0]] = c
			if f.Current == "" {
				f.Current = args[0]
			}
			return f.Save()
		},
	}
	cmd.Flags().BoolVar(&stdin, "token-stdin", false, "read the token from standard input, and store it")
	return cmd
}

func (a *app) contextRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Short: "forget a server", Args: wants("NAME"),
		Example:           "taskq ctx rm prod",
		ValidArgsFunction: a.completeContexts,
		RunE: a.changesContext(func(f *contexts.File, name string) {
			delete(f.Contexts, name)
			if f.Current == name {
				f.Current = ""
			}
		}),
	}
}
