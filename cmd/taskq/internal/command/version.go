package command

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build is what version prints.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}

const modulePath = "github.com/taskgen/taskgen"

// buildOf is what a program was built from.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: "(devel)", Go: info.GoVersion}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == modulePath && m.Version != "" {
			b.Version = m.Version
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func ownBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{Version: "(unknown)"}
	}
	return buildOf(info)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: wants(),
		Example: "taskq version -o json",
		RunE: func(*cobra.Command, []string) error {
			b := ownBuild()
			return showOne(a, b, func() error {
				text := "taskq " + b.Version
				if b.Revision != "" {
					text += " " + b.Revision
				}
				if b.Modified {
					text += " (modified)"
				}
				_, err := fmt.Fprintln(a.Out, text, b.Go)
				return err
			})
		},
	}
}
