package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
)

// Page is the reference of all commands as Markdown, which docs/cli.md has.
func Page() string {
	var b strings.Builder
	root := newApp(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" }).root()
	b.WriteString("## Flags of every command\n\n")
	flagTable(&b, root.PersistentFlags())
	b.WriteString("\n## Exit codes\n\n| code | means |\n|---|---|\n")
	for _, c := range exit.Codes {
		fmt.Fprintf(&b, "| %d | %s |\n", c.Code, c.Text)
	}
	b.WriteString("\n## The commands\n")
	for _, cmd := range root.Commands() {
		describe(&b, cmd)
	}
	return b.String()
}

// describe writes the section of a command and those below it.
func describe(b *strings.Builder, cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		for _, below := range cmd.Commands() {
			describe(b, below)
		}
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n", cmd.CommandPath())
	text := cmd.Long
	if text == "" {
		text = strings.ToUpper(cmd.Short[:1]) + cmd.Short[1:] + "."
	}
	fmt.Fprintf(b, "%s\n\n```text\n%s\n```\n", text, strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\n")
		flagTable(b, cmd.LocalNonPersistentFlags())
	}
	fmt.Fprintf(b, "\n```sh\n%s\n```\n", cmd.Example)
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | default | meaning |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		zero := f.DefValue
		if zero == "" || zero == "[]" {
			zero = " "
		} else {
			zero = " `" + zero + "` "
		}
		fmt.Fprintf(b, "| %s |%s| %s |\n", name, zero, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
}
