package main

import (
	"runtime/debug"

	"github.com/taskgen/taskgen/generator"
)

// module is the module that taskgen comes in.
const module = "github.com/taskgen/taskgen"

// version is what go tool built taskgen from: the version of its module, with the
// revision where it was built in a checkout of its own.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "taskgen (unknown version)"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	if info.Main.Path == module {
		return "taskgen " + versionOfModule(&info.Main) + revision(info) + " " + info.GoVersion
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return "taskgen " + versionOfModule(m) + " " + info.GoVersion
		}
	}
	return "taskgen (unknown version) " + info.GoVersion
}

func versionOfModule(m *debug.Module) string {
	text := m.Version
	if text == "" {
		text = "(devel)"
	}
	if m.Replace != nil {
		text += " => " + generator.Visible(m.Replace.Path)
		if m.Replace.Version != "" {
			text += " " + m.Replace.Version
		}
	}
	return text
}

// revision is what version control knew when the module itself was built.
func revision(info *debug.BuildInfo) string {
	text := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text = " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true" && text != "":
			text += " (modified)"
		}
	}
	return text
}
