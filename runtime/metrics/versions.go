package metrics

import (
	"runtime"
	"runtime/debug"
)

const module = "github.com/taskgen/taskgen"

// unknownVersion is shown for a version that the go command has not written into the
// binary.
const unknownVersion = "unknown"

// versions are the values of the labels of buildInfo.
func versions() []string {
	program, taskgen := unknownVersion, unknownVersion
	if info, ok := debug.ReadBuildInfo(); ok {
		program, taskgen = versionsOf(info)
	}
	return []string{program, taskgen, runtime.Version()}
}

// versionsOf returns the versions of the main module and of taskgen.
func versionsOf(info *debug.BuildInfo) (program, taskgen string) {
	program, taskgen = versionOf(&info.Main), unknownVersion
	if info.Main.Path == module {
		return program, program
	}
	for _, dep := range info.Deps {
		if dep.Path != module {
			continue
		}
		if dep.Replace != nil {
			dep = dep.Replace
		}
		taskgen = versionOf(dep)
	}
	return program, taskgen
}

func versionOf(m *debug.Module) string {
	if m.Version == "" {
		return unknownVersion
	}
	return m.Version
}
