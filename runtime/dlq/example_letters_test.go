package dlq_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/filter"
)

// A tool lets its user choose letters by a filter of package filter, and moves them one after
// another: by what was read, so that no later death of a task goes along.
func ExampleBox_RedriveLetters() {
	ctx := context.Background()
	o := openOffice(ctx, "ada", "grace")
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	chosen, err := filter.Parse(`error~"server is down" payload~ada`)
	if err != nil {
		log.Fatal(err)
	}
	match := func(l *dlq.Letter) bool {
		return chosen.Matches(&filter.Facts{ID: l.ID, Type: l.Type, Error: l.Reason, Payload: string(l.Payload)}, time.Now())
	}
	for letter, err := range box.All(ctx, dlq.Filter{Match: match}) {
		if err != nil {
			log.Fatal(err)
		}
		moved, err := box.RedriveLetters(ctx, []string{letter.Ref})
		if err != nil {
			log.Fatal(err)
		}
		for _, ref := range moved {
			fmt.Println(dlq.TaskID(ref))
		}
	}
	// Output: ada
}

// A fixed set of types stands in for a router, in a tool that has no handlers.
type schemas map[string]runtime.Policy

func (s schemas) Policy(taskType string) (runtime.Policy, bool) {
	p, ok := s[taskType]
	return p, ok
}

func ExampleTypes() {
	ctx := context.Background()
	o := openOffice(ctx, "ada")
	var types dlq.Types = schemas{"login": {Type: "login", Secrets: []string{"/password"}}}
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: types})
	if err != nil {
		log.Fatal(err)
	}
	letter, err := box.Show(ctx, "ada")
	fmt.Println(string(letter.Payload), err)
	fmt.Println(letter.Group == dlq.GroupID(letter.Type, letter.Reason))
	// Output:
	// {"password":"••••","user":"ada"} <nil>
	// true
}
