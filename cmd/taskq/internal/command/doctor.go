package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/doctor"
	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	"github.com/taskgen/taskgen/runtime/driver"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "look for what is wrong, and say what to do", Args: wants(),
		Long: `Look for what is wrong: whether the server and its brokers answer, what the brokers warn of (as far
as they are opened by this command), queues that are behind, paused or without workers, clocks that
differ, types without a queue, leases, and what the token allows. The exit code is 1 if there is a
problem; notes and warnings alone are none.`,
		Example: "taskq doctor\ntaskq --provider redis://localhost --queue emails doctor -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.log.collect()
			findings, err := a.examine(cmd)
			if err != nil {
				return err
			}
			if err := a.showFindings(findings); err != nil {
				return err
			}
			if doctor.Worst(findings) == doctor.Problem {
				return exit.With(exit.Failure, "there are problems")
			}
			return nil
		},
	}
}

func (a *app) examine(cmd *cobra.Command) ([]doctor.Finding, error) {
	c, err := a.connect(cmd.Context())
	if errors.Is(err, driver.ErrQueueMismatch) {
		return []doctor.Finding{{Level: doctor.Problem, Check: "topology", Evidence: err.Error(), Advice: "name the queue as it is, with --queue NAME:TYPE, or change the code"}}, nil
	}
	if err != nil {
		return nil, err
	}
	return doctor.Examine(cmd.Context(), c, a.log.kept(), ownBuild().Version)
}

var levelColors = map[doctor.Level]string{doctor.OK: terminal.Green, doctor.Note: terminal.Faint, doctor.Warning: terminal.Yellow, doctor.Problem: terminal.Red}

func (a *app) showFindings(findings []doctor.Finding) error {
	return showList(a, "findings", findings, func() error {
		const indent = 22
		for _, f := range findings {
			text := f.Evidence
			if f.Subject != "" {
				text = f.Subject + ": " + text
			}
			head := fmt.Sprintf("%s  %-11s  ", a.Colored(levelColors[f.Level], fmt.Sprintf("%-7s", f.Level)), f.Check)
			if err := a.indented(head, indent, terminal.OneLine(text)); err != nil {
				return err
			}
			if f.Advice == "" {
				continue
			}
			if err := a.indented(strings.Repeat(" ", indent), indent, terminal.OneLine(f.Advice)); err != nil {
				return err
			}
		}
		return nil
	})
}
