package generator_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/taskgen/taskgen/generator"
)

// A program runs the generator on a module, as the command taskgen does, and writes what it
// returns.
func ExampleGenerate() {
	dir := shop(`//taskgen:queue name=mail
package shop

//taskgen:task queue=mail timeout=1m
//taskgen:retry max=3
type WelcomeTask struct {
	To string ` + "`json:\"to\"`" + `
}
`)
	defer os.RemoveAll(dir)

	result, err := generator.Generate(context.Background(), generator.Config{Dir: dir, Patterns: []string{"./..."}})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range result.Packages {
		for _, t := range p.Tasks {
			fmt.Println(p.Path, t.Struct, t.Type)
		}
	}
	changes, err := result.Changes()
	if err != nil {
		log.Fatal(err)
	}
	if err := generator.Write(changes); err != nil {
		log.Fatal(err)
	}
	for _, c := range changes {
		fmt.Println("wrote", filepath.Base(c.Path), strings.Contains(string(c.New), "func EnqueueWelcome("))
	}
	// Output:
	// example.com/shop WelcomeTask welcome
	// wrote shop_taskgen.go true
	// wrote taskgen.lock false
}

// Diagnostics say what is wrong, where, and how to mend it.
func ExampleResult_diagnostics() {
	dir := shop(`//taskgen:queue name=mail
package shop

//taskgen:task queue=mail timeout=1m priorty=1
//taskgen:retry none
type WelcomeTask struct{}
`)
	defer os.RemoveAll(dir)
	result, err := generator.Generate(context.Background(), generator.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	if err := generator.WriteDiagnostics(os.Stdout, "text", result.Diagnostics, dir); err != nil {
		log.Fatal(err)
	}
	// Output:
	// shop.go:4:38: //taskgen:task has no key "priorty" [KEY_UNKNOWN]
	//     4 | //taskgen:task queue=mail timeout=1m priorty=1
	//       |                                      ^^^^^^^^^
	//   fix: did you mean priority?
}

// shop makes a module with one file.
func shop(source string) (dir string) {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		log.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		log.Fatal(err)
	}
	for name, text := range map[string]string{"go.mod": "module example.com/shop\n\ngo 1.25\n", "shop.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	return dir
}
