package terminal_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func TestColoursAreAsTheFlagAndTheEnvironmentSay(t *testing.T) {
	for _, c := range []struct {
		flag string
		env  map[string]string
		want bool
	}{
		{"auto", nil, false}, // the output is no terminal
		{"always", map[string]string{"NO_COLOR": "1"}, true},
		{"never", map[string]string{"CLICOLOR_FORCE": "1"}, false},
		{"auto", map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{"auto", map[string]string{"CLICOLOR_FORCE": "0"}, false},
		{"auto", map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
	} {
		s := &terminal.Streams{Out: new(bytes.Buffer)}
		require.NoError(t, s.SetColor(c.flag, func(name string) string { return c.env[name] }))
		assert.Equal(t, c.want, s.Color, c)
	}
	require.Error(t, new(terminal.Streams).SetColor("pink", func(string) string { return "" }))
}

func TestJSONHasEveryFieldAndIsAlwaysTheSame(t *testing.T) {
	var out bytes.Buffer
	s := &terminal.Streams{Out: &out}
	answer := &v1.ListQueuesResponse{Queues: []*v1.ListedQueue{{Info: &v1.QueueInfo{Name: "a"}}, {Open: true}}}
	items := terminal.Items(answer.GetQueues())
	require.NoError(t, s.Show("jsonl", answer, items, nil))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	assert.Equal(t, `{"open":true,"paused":false,"workers":0,"error":""}`, lines[1])
	out.Reset()
	require.NoError(t, s.Show("json", &v1.ListQueuesResponse{}, items, nil))
	assert.Equal(t, "{\n  \"queues\": []\n}\n", out.String())
	out.Reset()
	require.NoError(t, s.Show("jsonl", &v1.PurgeQueueResponse{Tasks: 2}, nil, nil))
	assert.Equal(t, "{\"tasks\":\"2\"}\n", out.String())
}

func TestAQuestionIsAnsweredByTheWordAlone(t *testing.T) {
	for answer, want := range map[string]bool{"emails\n": true, "emails": true, "email\n": false, "\n": false, "yes\n": false} {
		var said bytes.Buffer
		ok, err := (&terminal.Streams{In: strings.NewReader(answer), Err: &said}).Ask("This removes it.", "emails")
		require.NoError(t, err)
		assert.Equal(t, want, ok, answer)
		assert.Equal(t, "This removes it.\nType emails to go on: ", said.String())
	}
	_, err := (&terminal.Streams{In: strings.NewReader(""), Err: new(bytes.Buffer)}).Ask("?", "emails")
	require.Error(t, err, "nobody answers")
}
