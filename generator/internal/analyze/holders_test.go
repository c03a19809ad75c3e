package analyze_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// names of the holders of a package, those that embed another with a plus, those
// that may not be copied with an exclamation mark.
func holderNames(p model.Package) []string {
	var names []string
	for i := range p.Holders {
		name := p.Holders[i].Name
		if p.Holders[i].Embeds {
			name += "+"
		}
		if p.Holders[i].Locked {
			name += "!"
		}
		names = append(names, name)
	}
	return names
}

func TestHoldersAreWhatTasksAndResultsConsistOf(t *testing.T) {
	l := loaded(t, module(t, `
-- b/b.go --
package b

type Far struct { Token string `+"`task:\"secret\"`"+` }

type Near struct { A int }
-- a/a.go --
`+header+`package a

import "sync"
import "example.com/app/b"

type (
	Cred    struct { Token string `+"`json:\"token\" task:\"secret\"`"+` }
	Creds   []*Cred
	Fixed   [2]Creds
	ByName  map[string]Fixed
	Alias   = Cred
	Pointer *Cred
	Keyed   map[Key]int
	Key     struct { Part string `+"`task:\"required,secret\"`"+` }
	hidden  struct { cred Cred }
	Plain   struct { A int }
	Near    struct { b.Near }
	Far     struct { Far b.Far }
	Embeds  struct { b.Far }
	Box[T any] struct { V T }
	Tagged[A, B any] struct { A A; B B; Key string `+"`task:\"secret\"`"+` }
	Tree    struct { Leaves []Tree; Cred *Cred }
	Guarded struct { mu sync.Mutex; Cred }
	Counted struct { Guarded [1]Guarded; Cred Cred }
	Receipt struct { Sign Signature }
	Signature struct { Text string `+"`task:\"secret\"`"+` }
	Unused  struct { Cred Cred }
)

//taskgen:task result=map[string]*Receipt
type ATask struct {
	M  ByName
	P  Pointer
	A  Alias
	K  []map[string]struct{ X hidden }
	N  Near
	F  Far
	E  *Embeds
	B1 Box[int]
	B2 Box[[]b.Far]
	T  Tagged[int, string]
	R  Tree
	C  *Counted
	L  Plain
}

//taskgen:task
type QuietTask struct { N Plain }
`), "./...")
	assert.Equal(t, []string{
		"ATask", "Box", "ByName", "Counted!", "Cred", "Creds", "Embeds+", "Far", "Fixed", "Guarded+!", "Receipt", "Signature", "Tagged", "Tree", "hidden",
	}, holderNames(l.Packages[0]))
	assert.Equal(t, 2, l.Packages[0].Holder("Tagged").Params)
}

func TestStructsThatEmbedAHolderAreHolders(t *testing.T) {
	dir := module(t, `
-- a/a.go --
`+header+`package a

//taskgen:task
type ATask struct { Token string `+"`task:\"secret\"`"+` }
-- a/b.go --
package a

import "database/sql"

type (
	View   struct { ATask; Done bool; DB *sql.DB }
	Page   struct { *View; N int }
	Also   Page
	Other  = ATask
	More   struct { Other }
	Many[T any] struct { Page; V T }
	One    struct { Many[int] }
	Not    struct { A ATask }
	Self   = Self
	Ring   = Gnir
	Gnir   = Ring
	Broken struct { Ring }
)

func (v View) String() string { return "" }
-- a/b_windows.go --
package a

type OnWindows struct { ATask; N int }
-- a/c.go --
//go:build !nothing

package a

type Sometimes struct { ATask; N int }
`)
	l := loaded(t, dir, "./...")
	assert.Equal(t, []string{"ATask", "Also+", "Many+", "More+", "One+", "Page+", "View+"}, holderNames(l.Packages[0]))
	view := l.Packages[0].Holder("View")
	assert.True(t, view.Has("String") && view.Has("Token") && view.Has("DB"))
	require.Len(t, l.Diagnostics, 1)
	assert.Equal(t, "c.go", filepath.Base(l.Diagnostics[0].Pos.File), "where the struct may be there without the generated file's methods")
	assert.Equal(t, "SECRET_EMBEDDED", l.Diagnostics[0].Rule)
	assert.Equal(t, l.Packages, loaded(t, dir, "./...").Packages)
}

func TestHoldersAreTheSameInAnyOrderOfFiles(t *testing.T) {
	var want []byte
	for _, name := range []string{"a0.go", "z0.go"} {
		l := loaded(t, module(t, "\n-- a/"+name+" --\npackage a\n\ntype Cred struct { Token string `task:\"secret\"` }\n\ntype V struct { C; D int }\n"+
			"\n-- a/m.go --\n"+header+"package a\n\n//taskgen:task\ntype ATask struct { C C }\n\ntype C struct { Cred Cred }\n"), "./...")
		for i := range l.Packages[0].Holders {
			l.Packages[0].Holders[i].Pos = model.Pos{}
		}
		got, err := json.Marshal(l.Packages[0].Holders)
		require.NoError(t, err)
		if want == nil {
			want = got
		}
		assert.Equal(t, string(want), string(got))
	}
}
