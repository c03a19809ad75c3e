package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// survives writes a value, reads it in another type, and returns what is wrong with what was
// read; "" if nothing is.
func survives(t *testing.T, v reflect.Value, read reflect.Type) string {
	t.Helper()
	text, err := json.Marshal(v.Interface())
	require.NoError(t, err)
	into := reflect.New(read)
	if err := json.Unmarshal(text, into.Interface()); err != nil {
		return fmt.Sprintf("%s: %v", text, err)
	}
	again, err := json.Marshal(into.Elem().Interface())
	require.NoError(t, err)
	if !kept(tree(t, text), tree(t, again)) {
		return fmt.Sprintf("%s becomes %s", text, again)
	}
	return ""
}

func tree(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&v))
	return v
}

// kept reports whether a value has all that was written.
func kept(written, got any) bool {
	switch w := written.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for name, v := range w {
			if !ok {
				return false
			}
			other, has := g[name]
			for key := range g { // as encoding/json finds members
				if !has && strings.EqualFold(key, name) {
					other, has = g[key], true
				}
			}
			if !has || !kept(v, other) {
				return false
			}
		}
		return ok
	case []any:
		if text, ok := got.(string); ok { // bytes
			raw, err := base64.StdEncoding.DecodeString(text)
			list := make([]any, len(raw))
			for i, b := range raw {
				list[i] = json.Number(fmt.Sprint(b))
			}
			return err == nil && kept(written, list)
		}
		g, ok := got.([]any)
		return ok && len(g) >= len(w) && !slices.ContainsFunc(indexes(w), func(i int) bool { return !kept(w[i], g[i]) })
	case json.Number:
		g, ok := got.(json.Number)
		return ok && (w == g || exactly(w).Cmp(exactly(g)) == 0)
	case string:
		if g, ok := got.(json.Number); ok {
			return w == string(g)
		}
	}
	return written == got
}

func indexes(list []any) []int {
	all := make([]int, len(list))
	for i := range all {
		all[i] = i
	}
	return all
}

func exactly(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		panic("no number: " + n)
	}
	return r
}

// unseen reports whether a finding is about what a value means, and not about its bytes: a text
// that is taken for the value is written again as it was.
func unseen(f Finding) bool {
	return f.Consequence == Garbled && f.Problem != Precision && f.Problem != Case
}

// A type and another one after a change: what is said to be safe survives for all values that
// are tried, and of what is said to break some value breaks.
func TestWhatIsSafeSurvivesAndWhatBreaksIsShownTo(t *testing.T) {
	pairs, values := allPairs, 12
	if testing.Short() {
		pairs = 3_000
	}
	var safe, broken int
	for seed := range pairs {
		r := rand.New(rand.NewPCG(uint64(seed), 0))
		written := makeUpStruct(r, 0)
		read := written.change(r, 0)
		findings := Read(written.place(), read.place())
		from, to := written.typ(), read.typ()
		try := func() string {
			v := reflect.New(from).Elem()
			written.fill(r, v)
			return survives(t, v, to)
		}
		if len(findings) == 0 {
			safe++
			for range values {
				if wrong := try(); wrong != "" {
					require.Fail(t, "a safe change breaks", "seed %d\n%v\n%v\n%s", seed, from, to, wrong)
				}
			}
			continue
		}
		broken++
		if slices.ContainsFunc(findings, func(f Finding) bool { return !unseen(f) }) {
			shown := false
			for range 5000 {
				if shown = try() != ""; shown {
					break
				}
			}
			require.True(t, shown, "seed %d\n%v\n%v\n%v", seed, from, to, findings)
		}
	}
	t.Logf("%d pairs are safe, %d break", safe, broken)
	require.Greater(t, safe, pairs/10)
	require.Greater(t, broken, pairs/10)
}
