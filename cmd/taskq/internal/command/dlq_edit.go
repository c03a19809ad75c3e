package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) dlqEdit() *cobra.Command {
	var text, reason string
	cmd := &cobra.Command{
		Use: "edit QUEUE ID", Short: "put a dead letter back on its queue with another payload", Args: wants("QUEUE", "ID"),
		Long: `Put a dead letter back on its queue with another payload. Without --payload the payload is opened
in the editor of EDITOR. A mark of a secret in it keeps that secret. The schema of the type checks
the payload, if it is known.`,
		Example:           "taskq dlq edit emails welcome-bob --payload '{\"to\":\"ada@example.com\"}' --reason \"typing error\"",
		ValidArgsFunction: a.completes(queueNames),
	}
	cmd.Flags().StringVar(&text, "payload", "", "new payload as JSON: the text, @FILE, or - for standard input")
	reasonFlag(cmd, &reason)
	cmd.RunE = a.calls(func(ctx context.Context, c *target.Client, args []string) error {
		found, err := c.Admin.GetDeadLetter(ctx, &v1.GetDeadLetterRequest{Queue: args[0], Id: args[1]})
		if err != nil {
			return err
		}
		letter := found.GetLetter()
		next, given := "", cmd.Flags().Changed("payload")
		if given {
			next, err = a.readPayload(text)
		} else {
			next, err = a.edit(ctx, letter.GetPayload())
		}
		if err != nil {
			return err
		}
		res, err := c.Admin.EditDeadLetter(ctx, &v1.EditDeadLetterRequest{Queue: args[0], Id: letter.GetRef(), Payload: next, Reason: reason})
		if err != nil {
			if !given {
				a.keepEdited(next)
			}
			return err
		}
		return a.show(res, nil, a.done("%s is back on %s", letter.GetId(), args[0]))
	})
	return cmd
}

// edit has the operator change a payload in an editor.
func (a *app) edit(ctx context.Context, was string) (string, error) {
	editor := strings.Fields(a.getenv("EDITOR"))
	if len(editor) == 0 || !a.Interactive() {
		return "", exit.Usagef("give the new payload with --payload: there is no terminal, or EDITOR names no editor")
	}
	if was == "null" {
		return "", exit.Usagef("the payload cannot be shown, and so not be edited: give a whole one with --payload")
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(was), "", "  "); err != nil {
		return "", fmt.Errorf("the payload is no JSON: %w", err)
	}
	path, err := writeLetter(pretty.String() + "\n")
	if err != nil {
		return "", err
	}
	defer os.Remove(path)
	run := exec.CommandContext(ctx, editor[0], append(editor[1:], path)...)
	run.Stdin, run.Stdout, run.Stderr = a.In, a.Out, a.Err
	if err := run.Run(); err != nil {
		return "", fmt.Errorf("%s: %w", editor[0], err)
	}
	next, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(string(next)) == strings.TrimSpace(pretty.String()) {
		return "", exit.With(exit.Failure, "the payload is as it was: nothing was changed")
	}
	return string(next), nil
}

// writeLetter writes a payload into a new file that only its owner can read.
func writeLetter(text string) (path string, err error) {
	f, err := os.CreateTemp("", "letter-*.json") // with mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// keepEdited keeps a payload that the server has refused, so that nobody types it again.
func (a *app) keepEdited(text string) {
	path, err := writeLetter(text)
	if err != nil {
		return // there is another error to report
	}
	a.Notef("what you have written is in %s: mend it, and give it with --payload @%s", path, path)
}
