package catalog_test

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/catalog"
)

//go:embed testdata/taskgen.catalog.json
var file string

func TestACatalogHasItsTypesInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "taskgen.catalog.json")
	require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	types, err := catalog.Load(path)
	require.NoError(t, err)
	require.Len(t, types, 2)
	assert.Equal(t, "ask", types[0].Name)
	assert.Equal(t, "welcome", types[1].Name)
	assert.JSONEq(t, `{"type": "object"}`, types[1].Schema)
	_, err = catalog.New(types[0])
	assert.ErrorContains(t, err, "codec")
}

func TestAnErrorOfACatalogNamesTheLine(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`"version": 1,`, `"version": 9,`, "f.json:3: it has version 9, and this program reads version 1"},
		{`"version": 1,`, `"version": "1",`, "f.json:3: "},
		{`"version": 1,`, `"version": 1, "version": 1,`, `f.json:3: "version" is there twice`},
		{`"version": 1,`, `"version": 1, "queues": [],`, `f.json:3: a catalog has no member "queues"`},
		{`"types": [`, `"Types": [`, `f.json:4: a catalog has no member "Types"`},
		{`"types": [`, `"types": [], "types": [`, `f.json:4: "types" is there twice`},
		{`"types": [`, `"generated": [`, `f.json:4: "generated" is there twice`},
		{"  ]\n}\n", "  ]\n}\n{}", "f.json:23: "},
		{`"aliases": ["hello"]`, `"aliases": ["welcome"]`, `f.json:5: the type "welcome" is there twice`},
		{`"template": {
        "version": 1,
        "unique`, `"template": {
        "version": 2,
        "unique`, "f.json:5: "},
		{`"version": 1,`, ``, "f.json:1: it has no version"},
		{`"name": "ask"`, `"name": "welcome"`, `f.json:17: the type "welcome" is there twice`},
		{`"name": "ask"`, `"name": "hello"`, `f.json:17: the type "hello" is there twice`},
		{`"name": "ask",`, ``, "f.json:17: a type has no name"},
		{`"max_retries": 3`, `"max_retries": "3"`, "f.json:9: type 1"},
		{`"max_retries": 3`, `"max_retry": 3`, "unknown field"},
		{`"unique_by": ["user"]`, `"unique_by": ["name"]`, `f.json:5: `},
		{`"queue": "mail"`, `"queue": mail`, "f.json:8: "},
		{`"types": [`, `"types": {`, "f.json:"},
		{"  ]\n}\n", "", "f.json:"},
	} {
		data := strings.Replace(file, c.from, c.to, 1)
		require.NotEqual(t, file, data)
		_, err := catalog.Parse("f.json", []byte(data))
		require.ErrorContains(t, err, c.want, c.to)
		assert.ErrorContains(t, err, "taskgen", "how to mend it")
	}
	for data, want := range map[string]string{``: "f.json:1: ", `[]`: "f.json:1: ", `null`: "f.json:1: it has no version", `{"version": 1}`: "f.json:1: it has no types"} {
		_, err := catalog.Parse("f.json", []byte(data))
		require.ErrorContains(t, err, want, data)
	}
	_, err := catalog.Load(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "taskgen -catalog")
}

// FuzzParse reads catalogs that no taskgen has written, and makes tasks by them.
func FuzzParse(f *testing.F) {
	f.Add([]byte(file), []byte(`{"user":"ada"}`))
	f.Add([]byte(`{"version":1,"types":[{"name":"a","template":{"version":1,"required":["x"],"payload":{"kind":"struct","fields":[{"shape":{"kind":"pointer","elem":{"kind":"struct","fields":[{"name":"x","tagged":true,"shape":{"kind":"any"}}]}}}]}}}]}`), []byte(`{"x":1}`))
	f.Add([]byte(`{"version":1,"types":[{"name":"a","template":{"version":1,"payload":{"kind":"map","key":"int8","elem":{"kind":"array","len":2,"elem":{"kind":"code","type":"time.Time"}}}}}]}`), []byte(`{"1":[null]}`))
	f.Add([]byte(`{"version":1,"types":[{"name":"a","secrets":[""],"template":{"version":1,"payload":{"kind":"code"}}}]}`), []byte(`[9007199254740993]`))
	f.Fuzz(func(t *testing.T, data, payload []byte) {
		types, err := catalog.Parse("f.json", data)
		if err != nil {
			require.ErrorContains(t, err, "f.json:")
			return
		}
		for _, d := range types {
			made, err := catalog.New(d)
			if err != nil {
				require.ErrorIs(t, err, catalog.ErrRefused)
				continue
			}
			task, err := made.NewTaskJSON(payload, time.Unix(7, 0))
			if err != nil {
				require.ErrorIs(t, err, runtime.ErrInvalidTask)
				continue
			}
			again, err := made.NewTaskJSON(task.Payload, time.Unix(7, 0))
			require.NoError(t, err, "a payload that it has written")
			require.Equal(t, string(task.Payload), string(again.Payload))
		}
	})
}
