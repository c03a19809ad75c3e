package config_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// LedgerOptions is the table of options of a provider of one's own.
type LedgerOptions struct {
	Book    string       `config:"book" default:"main" doc:"name of the book"`
	MaxSize config.Bytes `config:"max_size" default:"no bound" doc:"bound of the book"`
}

func init() {
	config.Register("ledger", []config.URLForm{
		{Scheme: "ledger", Example: "ledger://host?book=main", Text: "a ledger on a host"},
	}, openLedger)
}

func openLedger(ctx context.Context, rawURL string, o LedgerOptions, deps config.Deps) (driver.Provider, error) {
	fmt.Printf("open %s with book %s of %d bytes\n", rawURL, o.Book, o.MaxSize)
	return memory.New(), nil // that of the package
}

// The package of a provider calls Register when it is imported. From then on programs open
// the provider by URL.
func ExampleRegister() {
	p, err := config.OpenProvider(context.Background(), "ledger://host?book=2026", config.WithOptions(LedgerOptions{MaxSize: 64 << 20}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = config.OpenProvider(context.Background(), "ledger://host?bok=2026")
	fmt.Println(err)
	// Output:
	// open ledger://host with book 2026 of 67108864 bytes
	// config: open ledger: there is no option "bok": did you mean book? (ledger has book, max_size)
}
