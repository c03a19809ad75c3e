package filter_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/filter"
)

func ExampleParse() {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	tasks := []filter.Facts{
		{ID: "m-1", Type: "email", State: "dead", Since: now.Add(-2 * time.Hour), Error: "dial: Timeout"},
		{ID: "m-2", Type: "email", State: "dead", Since: now.Add(-2 * time.Hour), Error: "mailbox is full"},
		{ID: "m-3", Type: "email", State: "dead", Since: now.Add(-time.Minute), Error: "dial: Timeout"},
	}
	f, err := filter.Parse("type:email state:dead age>1h error~timeout")
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range tasks {
		if f.Matches(&tasks[i], now) {
			fmt.Println(tasks[i].ID)
		}
	}
	// Output: m-1
}

func ExampleFilter() {
	var f filter.Filter
	f, err := filter.Parse(`  timeout   -meta.tenant:"acme inc"`)
	fmt.Println(f, err)
	// Output: text~timeout -meta.tenant:"acme inc" <nil>
}

func ExampleError() {
	_, err := filter.Parse("type:email stat:dead")
	fmt.Println(errors.Is(err, filter.ErrInvalid))
	var wrong *filter.Error
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Column, wrong.Problem)
	}
	// Output:
	// true
	// 12 there is no field "stat": did you mean "state"? To look for a word with ":" in it, put it in quotes
}
