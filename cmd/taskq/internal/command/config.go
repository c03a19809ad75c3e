package command

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "configuration files of programs"}
	cmd.AddCommand(a.configCheck(), a.configPrint())
	return cmd
}

func (a *app) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "say what is wrong with a configuration file", Args: wants("FILE"),
		Long: `Say what is wrong with a configuration file and the variables that override it. Nothing is opened.
What only the code of a program says, such as the types of its queues, is not looked at.`,
		Example: "taskq config check taskgen.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			c, code, err := target.Load(args[0], a.queues)
			if err == nil {
				err = c.Check(code)
			}
			if err != nil {
				return &exit.Error{Code: exit.Failure, Err: err}
			}
			a.Notef("%s has no mistakes", args[0])
			return nil
		},
	}
}

func (a *app) configPrint() *cobra.Command {
	redacted := true
	cmd := &cobra.Command{
		Use: "print FILE", Short: "print what a configuration file and the variables add up to", Args: wants("FILE"),
		Long:    "Print what a configuration file and the variables that override it add up to, as YAML (or JSON). Marks stand for secrets.",
		Example: "taskq config print --redacted taskgen.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			if !redacted {
				return exit.Usagef("taskq prints no secrets: leave --redacted as it is")
			}
			c, _, err := target.Load(args[0], a.queues)
			if err != nil {
				return err
			}
			opts := []yaml.EncodeOption{yaml.UseLiteralStyleIfMultiline(true)}
			if a.format != "table" {
				opts = append(opts, yaml.JSON())
			}
			text, err := yaml.MarshalWithOptions(target.Shown(c), opts...)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.Out, string(text))
			return err
		},
	}
	cmd.Flags().BoolVar(&redacted, "redacted", true, "put marks in place of secrets, which is the only way")
	return cmd
}
