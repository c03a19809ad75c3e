package command

import (
	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
)

// A consent is whether the operator wants what cannot be undone.
type consent struct{ yes bool }

// flag adds --yes to a command.
func (c *consent) flag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
}

// possible refuses what nobody can be asked about, before anything is called.
func (a *app) possible(c *consent) error {
	if c.yes || a.Interactive() {
		return nil
	}
	return exit.Usagef("this cannot be undone, and there is no terminal to ask on: add --yes")
}

// confirm asks for a name to be typed, unless --yes is set.
func (a *app) confirm(c *consent, question, name string) error {
	if c.yes {
		return nil
	}
	ok, err := a.Ask(question, name)
	if err != nil || !ok {
		return exit.With(exit.Failure, "that is not %s: nothing was changed", name)
	}
	return nil
}
