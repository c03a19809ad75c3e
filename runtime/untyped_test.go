package runtime

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type untypedLogin struct {
	User string `json:"user"`
	Pass string `json:"pass" task:"secret"`
}

type untypedTask struct {
	Any  any            `json:"any"`
	List []any          `json:"list"`
	Map  map[string]any `json:"map"`
	Own  *struct {
		Deep any `json:"de.ep"`
	} `json:"own"`
	Hidden  any `json:"hidden" task:"secret"`
	Skipped any `json:"-"`
	untypedInner
}

type untypedInner struct{ Inner any }

func TestSecretsInAnInterfaceAreRefusedForTheirTagsDoNotArrive(t *testing.T) {
	login := untypedLogin{"ann", "hunter2"}
	spec := &Spec[untypedTask]{Type: "t", Queue: "q", Secrets: []string{"/hidden"}}
	for path, v := range map[string]untypedTask{
		"any":    {Any: login},
		"list.*": {List: []any{1, "a", &login}},
		"map.*":  {Map: map[string]any{"a": []any{map[string]any{"b": login}}}},
		"own.de.ep": {Own: &struct {
			Deep any `json:"de.ep"`
		}{[]untypedLogin{login}}},
		"Inner": {untypedInner: untypedInner{login}},
	} {
		err := spec.fill(new(Task), &v, time.Unix(5, 0))
		require.ErrorIs(t, err, ErrInvalidTask, path)
		assert.ErrorContains(t, err, ": "+path+" holds a value of type ")
		assert.NotContains(t, err.Error(), "hunter2")
	}
	for name, v := range map[string]untypedTask{
		"nothing":      {},
		"no secrets":   {Any: struct{ A string }{"a"}, List: []any{map[string]any{"pass": "a"}}, Map: map[string]any{"a": nil}},
		"hidden field": {Hidden: login},
		"not sent":     {Skipped: login},
	} {
		assert.NoError(t, spec.fill(new(Task), &v, time.Unix(5, 0)), name)
	}
	spec.Secrets = []string{"/any", "/list/*", "map.*", "/own/de.ep", "/Inner", "/hidden"}
	assert.NoError(t, spec.fill(new(Task), &untypedTask{
		Any: login, List: []any{login}, Map: map[string]any{"a": login}, untypedInner: untypedInner{login},
	}, time.Unix(5, 0)), "a path hides them")

	bare := &Spec[any]{Type: "t", Queue: "q"}
	var v any = map[string]any{"a": login}
	require.ErrorContains(t, bare.fill(new(Task), &v, time.Unix(5, 0)), "the value holds a value of type map[string]interface {}")
}

func TestSecretsInAnInterfaceOfAResultAreRefused(t *testing.T) {
	r, spec := NewRouter(), &Spec[string]{Type: "t", Queue: "q"}
	RegisterWithResult(r, spec, func(context.Context, string) (untypedTask, error) {
		return untypedTask{Any: untypedLogin{"ann", "hunter2"}}, nil
	})
	_, err := handled(t, r, &Task{ID: "a", Type: "t", Payload: []byte(`""`)})
	require.ErrorContains(t, err, "the result of task a (t): any holds a value of type runtime.untypedLogin")
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestTagsHideTheWholePayloadWhereTheSpecNamesNoSecrets(t *testing.T) {
	assert.Equal(t, []string{""}, (&Spec[untypedLogin]{Type: "t"}).Policy().Secrets)
	assert.Equal(t, []string{"/pass"}, (&Spec[untypedLogin]{Type: "t", Secrets: []string{"/pass"}}).Policy().Secrets)
	assert.Empty(t, (&Spec[string]{Type: "t"}).Policy().Secrets)
}
