package config_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

// The section server leads to what a package registers for it: config/server, or one of one's
// own, which the tests of this package have.
func init() { config.RegisterServer(buildServer) }

func buildServer(ctx context.Context, c config.ServerConfig, p *config.Program, types []config.TaskType, deps config.Deps) (*config.API, error) {
	if served != nil { // a test
		return served(c, p, types)
	}
	return &config.API{
		Close: func() error {
			for _, t := range types {
				fmt.Printf("%s was offered at %s\n", t.Policy().Type, c.Listen)
			}
			return nil
		},
	}, nil
}

// A program whose tasks others enqueue in a way of their own registers it, in place of an import
// of package config/server.
func ExampleRegisterServer() {
	ctx := context.Background()
	c := config.Config{
		Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}},
		Server:    config.ServerConfig{Listen: "127.0.0.1:7460"},
	}
	program, err := c.Build(ctx, config.Code{
		Queues: []runtime.QueueConfig{{Name: "mail"}}, // tasks.Queues()
		Types:  []config.TaskType{&welcomeSpec},       // &tasks.WelcomeSpec
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := program.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// welcome was offered at 127.0.0.1:7460
}

// What the section says can be said in code, too. It prints without the tokens.
func ExampleServerConfig() {
	c := config.ServerConfig{
		Listen: ":7460",
		Tokens: map[string]config.TokenConfig{"shop": {Role: "operator", Secret: config.NewSecret("a5c9e6f0b1d24837")}},
	}
	fmt.Println(c.Listen, c.Tokens["shop"])
	// Output:
	// :7460 {operator ••••}
}
