package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"
	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	p, err := sqlite.Open(ctx, filepath.Join(dir, "tasks.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	if _, err := m.Enqueue(ctx, []*runtime.Task{{Type: "welcome", Queue: "mail", Payload: []byte(`{"to":"ada"}`)}}); err != nil {
		log.Fatal(err)
	}

	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	ds, err := q.Dequeue(ctx, 10, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ds[0].Task.Type, string(ds[0].Task.Payload))
	if err := q.Complete(ctx, ds); err != nil {
		log.Fatal(err)
	}
	// Output: welcome {"to":"ada"}
}

// An order and the mail about it are written together, or not at all.
func ExampleProvider_Tx() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, path := context.Background(), filepath.Join(dir, "shop.db")

	p, err := sqlite.Open(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	conn, err := zombiezen.OpenConn(path, zombiezen.OpenReadWrite)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.ExecuteTransient(conn, "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)", nil); err != nil {
		log.Fatal(err)
	}

	order := func(item string) (err error) {
		end, err := sqlitex.ImmediateTransaction(conn)
		if err != nil {
			return err
		}
		defer end(&err)
		insert := &sqlitex.ExecOptions{Args: []any{item}}
		if err := sqlitex.Execute(conn, "INSERT INTO orders (item) VALUES (?)", insert); err != nil {
			return err
		}
		mail := &runtime.Task{Type: "ordered", Queue: "mail", Payload: []byte(`{"item":"` + item + `"}`)}
		if _, err := m.Through(p.Tx(conn)).Enqueue(ctx, []*runtime.Task{mail}); err != nil {
			return err
		}
		if item == "unicorn" {
			return fmt.Errorf("%s: out of stock", item)
		}
		return nil
	}
	fmt.Println(order("lamp"))
	fmt.Println(order("unicorn"))

	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx)
	fmt.Println(stats.Ready, err)
	// Output:
	// <nil>
	// unicorn: out of stock
	// 1 <nil>
}

// The same with database/sql and any of its drivers for SQLite.
func ExampleProvider_SQLTx() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, path := context.Background(), filepath.Join(dir, "shop.db")

	p, err := sqlite.Open(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	// The driver of this name is that of modernc.org/sqlite.
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)"); err != nil {
		log.Fatal(err)
	}

	order := func(item string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after a commit
		if _, err := tx.ExecContext(ctx, "INSERT INTO orders (item) VALUES (?)", item); err != nil {
			return err
		}
		mail := &runtime.Task{Type: "ordered", Queue: "mail", Payload: []byte(`{"item":"` + item + `"}`)}
		if _, err := m.Through(p.SQLTx(tx)).Enqueue(ctx, []*runtime.Task{mail}); err != nil {
			return err
		}
		if item == "unicorn" {
			return fmt.Errorf("%s: out of stock", item)
		}
		return tx.Commit()
	}
	fmt.Println(order("lamp"))
	fmt.Println(order("unicorn"))

	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx)
	fmt.Println(stats.Ready, err)
	// Output:
	// <nil>
	// unicorn: out of stock
	// 1 <nil>
}
