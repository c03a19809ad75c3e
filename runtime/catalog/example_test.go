package catalog_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/catalog"
	"github.com/taskgen/taskgen/runtime/fleet"
)

// A catalog has the types of which tasks can be made, and says why none can be made of others.
func ExampleLoad() {
	types, err := catalog.Load("testdata/taskgen.catalog.json")
	if err != nil {
		log.Fatal(err)
	}
	for _, described := range types {
		_, err := catalog.New(described)
		fmt.Println(described.Name, described.Queue, err)
	}
	// Output:
	// ask  taskgen: no task of the type can be made without its code: "ask": its payloads have a codec of their own
	// welcome mail <nil>
}

// An error names the line, and how to mend it.
func ExampleParse() {
	_, err := catalog.Parse("taskgen.catalog.json", []byte("{\n  \"types\": []\n}"))
	fmt.Println(err)
	// Output: catalog: taskgen.catalog.json:1: it has no version, and is no catalog: write the file again with taskgen -catalog
}

// A program without the code of a type makes a task as generated code does.
func ExampleType_NewTaskJSON() {
	types, err := catalog.Load("testdata/taskgen.catalog.json")
	if err != nil {
		log.Fatal(err)
	}
	described, _ := types.Of("welcome")
	welcome, err := catalog.New(described)
	if err != nil {
		log.Fatal(err)
	}
	task, err := welcome.NewTaskJSON([]byte(`{"user": "ada"}`), time.Now())
	if err != nil {
		log.Fatal(err)
	}
	user := "ada"
	fmt.Println(task.Type, task.Queue, task.MaxRetries, string(task.Payload), task.UniqueKey == runtime.KeyOf(&user))
	// Output: welcome mail 3 {"user":"ada"} true
}

func ExampleNew() {
	_, err := catalog.New(fleet.Type{Name: "welcome"})
	fmt.Println(errors.Is(err, catalog.ErrRefused))
	fmt.Println(err)
	// Output:
	// true
	// taskgen: no task of the type can be made without its code: "welcome": a worker of an older version has published it, without what an enqueue needs: update the worker, or use a catalog that has the type
}

func ExamplePolicyOf() {
	p := catalog.PolicyOf(fleet.Type{Name: "welcome", MaxRetries: 3})
	fmt.Println(p.Type, p.Retry.Max, p.Retry.Delay(1, 0))
	// Output: welcome 3 1s
}
