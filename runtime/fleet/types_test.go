package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
)

// TestOfTwoDescriptionsTheLastCountsAsAWhole is about old and new workers side by side.
func TestOfTwoDescriptionsTheLastCountsAsAWhole(t *testing.T) {
	store := memory.NewFleet()
	f := fleet.New(store, fleet.Config{})
	older := fleet.Type{Name: "mail", Queue: "old", Schema: `{"type":"string"}`, Secrets: []string{"/pin", "/card"}, Result: true, Template: &fleet.Template{Version: 1, UniqueBy: []string{"to"}, Sealed: true}}
	newer := fleet.Type{Name: "mail", Queue: "new", Timeout: time.Second, Secrets: []string{"/card", "/iban"}, Template: &fleet.Template{Version: 1, GroupBy: "from"}}
	for _, order := range [][]fleet.Type{{older, newer}, {newer, older}} {
		for i := range order {
			require.NoError(t, store.PutTypes(t.Context(), order[i:i+1], time.Hour))
		}
		types, err := f.Types(t.Context())
		require.NoError(t, err)
		require.Len(t, types, 1)
		got := types[0]
		assert.ElementsMatch(t, []string{"/pin", "/card", "/iban"}, got.Secrets, "what is secret in one of them")
		require.NotNil(t, got.Template)
		assert.True(t, got.Template.Sealed, "what one of them seals")
		want := order[1]
		template := *want.Template
		template.Sealed = true
		want.Template, want.Secrets = &template, got.Secrets
		assert.Equal(t, want, got, "all else is the last's")
	}
	assert.False(t, newer.Template.Sealed)
}

func TestOfTypesThatDifferTheLastCountsAndEverySecretIsSecret(t *testing.T) {
	store := memory.NewFleet()
	for _, described := range []fleet.Type{
		{Name: "b", Schema: "1", Secrets: []string{"/old", "/both"}},
		{Name: "b", Schema: "2", Secrets: []string{"/both", "/new"}},
		{Name: "a", Aliases: []string{"b", "c"}},
	} {
		require.NoError(t, store.PutTypes(t.Context(), []fleet.Type{described}, time.Minute))
	}
	types, err := fleet.New(store, fleet.Config{}).Types(t.Context())
	require.NoError(t, err)
	b := fleet.Type{Name: "b", Schema: "2", Secrets: []string{"/both", "/new", "/old"}}
	assert.Equal(t, fleet.Types{{Name: "a", Aliases: []string{"b", "c"}}, b}, types)
	got, ok := types.Of("b")
	assert.True(t, ok)
	assert.Equal(t, b, got, "a name comes before an alias")
	got, ok = types.Of("c")
	assert.True(t, ok)
	assert.Equal(t, "a", got.Name)
	_, ok = types.Of("d")
	assert.False(t, ok)
}
