package memory

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestTheIDTableAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items slab
		table, want := newIDTable(&items), make(map[string][]*item)
		id := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, 150).Draw(t, "n")) })
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				it := items.alloc()
				it.task = driver.Task{ID: id.Draw(t, "id")}
				table.put(table.find(it.task.ID), it)
				want[it.task.ID] = append(want[it.task.ID], it)
			},
			"put many": func(*rapid.T) {
				for n := range 100 {
					it := items.alloc()
					it.task = driver.Task{ID: fmt.Sprint(n)}
					table.put(table.find(it.task.ID), it)
					want[it.task.ID] = append(want[it.task.ID], it)
				}
			},
			"remove": func(t *rapid.T) {
				some := want[id.Draw(t, "id")]
				if len(some) == 0 {
					t.Skip("no such ID")
				}
				i := rapid.IntRange(0, len(some)-1).Draw(t, "twin")
				it := some[i]
				want[it.task.ID] = append(append([]*item{}, some[:i]...), some[i+1:]...)
				table.remove(it)
				items.free(it)
			},
			"trim": func(t *rapid.T) { table.trim() },
			"": func(t *rapid.T) {
				n := 0
				for id, some := range want {
					it := table.get(id)
					for i := len(some) - 1; i >= 0; i-- {
						if it != some[i] {
							t.Fatalf("of %d with the ID %s, the table has another at %d", len(some), id, i)
						}
						it = it.nextSameID
					}
					if it != nil {
						t.Fatalf("the table has one more with the ID %s", id)
					}
					if len(some) > 0 {
						n++
					}
				}
				require.Nil(t, table.get("unknown"))
				require.Equal(t, n, table.n)
			},
		})
	})
}

// BenchmarkIDTable compares the table with a map on what one task costs: a look
// whether its ID is taken, an entry, and its removal, first in first out, with
// 20,000 on the queue.
func BenchmarkIDTable(b *testing.B) {
	const queued = 20_000
	var items slab
	stored := make([]*item, 2*queued)
	for i := range stored {
		stored[i] = items.alloc()
		stored[i].task.ID = fmt.Sprintf("0193a6b1-%04x-7000-8000-%012x", i%65536, i)
	}
	b.Run("table", func(b *testing.B) {
		table := newIDTable(&items)
		for _, it := range stored[:queued] {
			table.put(table.find(it.task.ID), it)
		}
		for i := range b.N {
			it := stored[(i+queued)%len(stored)]
			p := table.find(it.task.ID)
			if p.taken {
				b.Fatal("taken")
			}
			table.put(p, it)
			table.remove(stored[i%len(stored)])
		}
	})
	b.Run("map", func(b *testing.B) {
		table := make(map[string]*item)
		for _, it := range stored[:queued] {
			table[it.task.ID] = it
		}
		for i := range b.N {
			it := stored[(i+queued)%len(stored)]
			if table[it.task.ID] != nil {
				b.Fatal("taken")
			}
			table[it.task.ID] = it
			delete(table, stored[i%len(stored)].task.ID)
		}
	})
}
