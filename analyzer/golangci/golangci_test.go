package golangci

import (
	"testing"

	"github.com/golangci/plugin-module-register/register"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/analyzer"
)

func TestTheLinterHasAllChecksButThoseThatAreDisabled(t *testing.T) {
	newPlugin, err := register.GetPlugin("taskgen")
	require.NoError(t, err)
	all := names(analyzer.Analyzers())
	require.Contains(t, all, "tasksecret")
	for _, c := range []struct {
		settings any
		want     []string
	}{
		{nil, all},
		{map[string]any{}, all},
		{map[string]any{"disable": []any{"taskcontext", "tasksecret"}}, []string{"taskenqueueloop", "taskretryable", "taskunhandled", "taskunusedresult"}},
	} {
		p, err := newPlugin(c.settings)
		require.NoError(t, err)
		require.Equal(t, register.LoadModeTypesInfo, p.GetLoadMode())
		got, err := p.BuildAnalyzers()
		require.NoError(t, err)
		require.Equal(t, c.want, names(got))
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	_, err := New(map[string]any{"disabled": []string{"tasksecret"}})
	require.ErrorContains(t, err, "disabled")
	_, err = New(map[string]any{"disable": []string{"secrets"}})
	require.ErrorContains(t, err, `"secrets", which is none of its checks: taskcontext`)
}
