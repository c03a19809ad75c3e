// Package config opens providers by URL:
//
//	p, err := config.OpenProvider(ctx, os.Getenv("TASKS_URL"))
//
// It imports no provider itself. Each has a package that registers it, as drivers of
// database/sql are registered, and a program imports those that it needs:
//
//	import _ "github.com/taskgen/taskgen/config/redis"
//
// Package config/all imports all of them. A program links the clients of the providers
// that it names, and no others.
//
// Each provider has one table of options, the fields of the type Options in its package.
// An option is a parameter of the URL, like prefix in redis://localhost:6379?prefix=shop, or
// a field given to [WithOptions]. docs/configuration.md lists them.
//
// The way of a URL through the package: open.go finds the provider of its scheme, url.go
// takes the options out of it, table.go and value.go set the fields. register.go is what
// providers call, known.go knows the schemes of the packages that are not imported.
package config
