package sqlite_test

import (
	"context"
	"log"

	"github.com/taskgen/taskgen/config"
	sqliteconfig "github.com/taskgen/taskgen/config/sqlite"
)

// Commits need not wait for the disk: a power cut may undo the last ones.
func ExampleOptions() {
	p, err := config.OpenProvider(context.Background(), "sqlite:tasks.db",
		config.WithOptions(sqliteconfig.Options{Synchronous: "normal"}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
