package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
)

func TestCheckSaysWhatBuildSays(t *testing.T) {
	for text, want := range map[string]string{
		"queues: {mail: {visibility: 1s}, post: {}}\n": "tasks.yaml:2:",
		"queues: {mail: {}}\n":                         "the code needs the queue post",
		"":                                             "",
	} {
		c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\n"+text))
		require.NoError(t, err)
		err = c.Check(mailCode(sent))
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
		_, built := c.Build(within(t), mailCode(sent))
		require.EqualError(t, err, built.Error())
	}
}
