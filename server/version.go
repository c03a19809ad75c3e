package server

import (
	"runtime/debug"
	"sync"
)

const module = "github.com/taskgen/taskgen"

// version is that of this module in the program that runs, "unknown" if the go command has
// not written it there.
var version = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return versionOf(info)
	}
	return versionOf(&debug.BuildInfo{})
})

func versionOf(info *debug.BuildInfo) string {
	found := &debug.Module{}
	if info.Main.Path == module {
		found = &info.Main
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			found = dep
		}
	}
	if found.Replace != nil {
		found = found.Replace
	}
	if found.Version == "" {
		return "unknown"
	}
	return found.Version
}
