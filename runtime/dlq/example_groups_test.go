package dlq_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime/dlq"
)

// Letters that died of the same failure are one group, whose ID chooses them in a filter.
func ExampleBox_Groups() {
	ctx := context.Background()
	o := openOffice(ctx, "ada", "grace") // whose tasks have died on the queue "mail"
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	groups, err := box.Groups(ctx, dlq.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range groups {
		fmt.Printf("%d × %s: %s, such as %s\n", g.Count, g.Type, g.Pattern, g.Example)
		page, _, err := box.List(ctx, dlq.Filter{Group: g.ID}, "", 10)
		fmt.Println("letters:", len(page), err)
	}
	// Output:
	// 2 × login: the mail server is down, such as grace
	// letters: 2 <nil>
}

// Letters are exported as lines of JSON, without their secrets.
func ExampleBox_Export() {
	ctx := context.Background()
	o := openOffice(ctx, "ada") // whose task has died on the queue "mail"
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	var lines strings.Builder // a file, as a rule
	n, err := box.Export(ctx, dlq.Filter{}, &lines)
	fmt.Println(n, "exported", err)
	fmt.Println("a secret in clear:", strings.Contains(lines.String(), "hunter2"))
	// Output:
	// 1 exported <nil>
	// a secret in clear: false
}
