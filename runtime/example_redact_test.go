package runtime_test

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/taskgen/taskgen/runtime"
)

// What is tagged as secret is hidden, however deep it lies. Generated code has tasks hide
// their secrets from logs by themselves.
func ExampleRedact() {
	type card struct {
		Number string `json:"number" task:"secret"`
		Holder string `json:"holder"`
	}
	type charge struct {
		Cents int    `json:"cents"`
		Cards []card `json:"cards"`
	}
	c := charge{Cents: 4200, Cards: []card{{Number: "4111111111111111", Holder: "Ada"}}}
	fmt.Println(runtime.Redact(c))
	// Output: [cents=4200 cards=[{number: ••••, holder: "Ada"}]]
}

// A log of a program that has structs of its own with secrets.
func ExampleRedactAttr() {
	type login struct {
		User     string `json:"user"`
		Password string `json:"password" task:"secret"`
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{} // for an output that is always the same
			}
			return runtime.RedactAttr(groups, a)
		},
	}))
	log.Info("welcome", "login", login{User: "ada", Password: "hunter2"})
	// Output: level=INFO msg=welcome login.user=ada login.password=••••
}
