package redis

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// userOfTheDocumentation reads the command that makes a user, as the README shows it.
func userOfTheDocumentation(t *testing.T) []any {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```text\n(ACL SETUSER worker .*?)```").FindSubmatch(text)
	require.NotNil(t, found, "there is no such command")
	var args []any
	for word := range strings.FieldsSeq(strings.ReplaceAll(string(found[1]), "\\\n", " ")) {
		args = append(args, word)
	}
	return args
}

func TestTheUserOfTheDocumentationMayDoAll(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	require.NoError(t, c.Do(within(t), userOfTheDocumentation(t)...).Err())
	p := open(t, strings.Replace(s.URL, "redis://", "redis://worker:secret@", 1))
	for _, cfg := range kinds {
		workout(t, p, cfg)
	}
	workJobs(t, p)
	workLetters(t, p)
	workFleet(t, p)
	workHistory(t, p)
	require.NoError(t, p.Results().PutResult(within(t), "result", nil, "", 0))
	_, err := p.Results().Await(within(t), "result")
	require.NoError(t, err)
	log, err := c.ACLLog(within(t), 1).Result()
	require.NoError(t, err)
	require.Empty(t, log, "the server refused something")
}
