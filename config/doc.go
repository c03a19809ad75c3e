// Package config opens providers by URL, and makes programs of a file and the environment.
//
//	p, err := config.OpenProvider(ctx, os.Getenv("TASKS_URL"))
//
//	c, err := config.Load("tasks.yaml")
//	program, err := c.Build(ctx, config.Code{Queues: tasks.Queues(), Handlers: …})
//	err = program.Run(ctx)
//
// It imports no provider itself. Each has a package that registers it, as drivers of
// database/sql are registered, and a program imports those that it needs:
//
//	import _ "github.com/taskgen/taskgen/config/redis"
//
// What the sections metrics and traces of a file need is registered in the same way, by
// config/metrics and config/traces. Package config/all imports all of them. A program links
// the clients of the providers that it names, and no others.
//
// All that can be set is in tables, which are structs with tags: the sections of [Config],
// and for each provider the type Options in its package. The tables read URLs, files and
// variables, and write docs/configuration.md and the JSON Schema.
//
// The way of a URL through the package: open.go finds the provider of its scheme, url.go
// takes the options out of it, table.go and value.go set the fields. register.go is what
// providers call, known.go knows the schemes of the packages that are not imported. The way
// of a file: decode.go walks its syntax tree, expand.go replaces variables in its values,
// overlay.go sets what the environment overrides, check.go finds contradictions, build.go
// reconciles it with the code, telemetry.go makes what watches the program, program.go runs it.
// classic.go stands in for a file with the
// variables of the classic setup.
package config
