package lock

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/wire"
)

// shapeOf is the shape of lines.
func shapeOf(t testing.TB, lines ...string) (string, Shape) {
	t.Helper()
	var parsed []wire.Line
	for _, text := range lines {
		l, err := wire.ParseLine(text)
		require.NoError(t, err)
		parsed = append(parsed, l)
	}
	form, err := wire.Parse(parsed)
	require.NoError(t, err)
	hash, s := ShapeOf(form)
	require.Equal(t, parsed, s.Lines)
	return hash, s
}

// example has a line of each kind, and paths whose order is not that of their texts.
func example(t testing.TB) File {
	f := make(File)
	mail := f.Of("mail")
	for _, lines := range [][]string{
		{"/ object", "/to text required"},
		{"/ object", "/a object", "/a/x int64", "/a-b text"},
		{"/ object", "/list []object", "/list/*/~2 text", "/list/*/at time", "/list-2 text", `"/n m" *int64 quoted`},
	} {
		hash, s := shapeOf(t, lines...)
		mail.Shapes[hash] = s
		mail.Accepted = append(mail.Accepted, Accepted{hash, New, wire.Type, "/to", `text("a b")`, "no \"old\" worker\nis left"}, Accepted{hash, Old, wire.Type, "/to", "", "none"})
	}
	mail.AddQueue("mails")
	mail.AddQueue("bulk")
	mail.AddName("letter")
	mail.Removed = []Removed{{"/subject", "text", "nobody read it"}}
	hash, s := shapeOf(t, "/ object")
	f.Of("a.b-c_D").Shapes[hash] = s
	return f
}

func text(f File) []byte {
	for _, t := range f {
		t.Line = 0
	}
	return f.Text()
}

func TestALockIsReadAsItWasWritten(t *testing.T) {
	want := example(t).Text()
	f, err := Parse(want)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(text(f)))
	assert.Equal(t, string(want), string(text(f.Clone())))
	assert.Equal(t, string(text(make(File))), preamble)
}

func TestTheOrderOfLinesDoesNotCount(t *testing.T) {
	want := example(t).Text()
	lines := bytes.SplitAfter(want, []byte("\n"))
	for range 20 {
		rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		twice := append(bytes.Join(lines, nil), bytes.ReplaceAll(want, []byte("\n"), []byte("\r\n"))...)
		f, err := Parse(twice)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(text(f)))
	}
}

func TestTheLinesOfTwoBranchesAreTheLockOfBoth(t *testing.T) {
	one, other := example(t), example(t)
	hash, s := shapeOf(t, "/ object", "/ours text")
	one.Of("mail").Shapes[hash] = s
	hash, s = shapeOf(t, "/ object", "/theirs text")
	other.Of("mail").Shapes[hash] = s
	other.Of("new").Shapes[hash] = s
	f, err := Parse(append(one.Text(), other.Text()...))
	require.NoError(t, err)
	assert.Len(t, f["mail"].Shapes, 5)
	assert.Contains(t, f, "new")
}

func TestWhatIsWrongWithALockIsSaidWithItsLine(t *testing.T) {
	right := string(example(t).Text())
	hash, _ := shapeOf(t, "/ object", "/to text required")
	for name, c := range map[string]struct{ was, is, want string }{
		"a line was changed":     {"/to text required", "/to int64 required", "the lines of shape " + hash + " of mail were changed by hand"},
		"a line is missing":      {"mail " + hash + " /to text required\n", "", "the lines of shape " + hash + " of mail were changed by hand"},
		"the form is no form":    {"/to text required", "/to texts required", "the lines of shape"},
		"a conflict":             {"mail queue bulk\n", "<<<<<<< HEAD\nmail queue bulk\n=======\n>>>>>>> theirs\n", "a merge has left a conflict"},
		"a conflict of its ends": {"mail queue bulk\n", "mail queue bulk\n>>>>>>> theirs\n", "a merge has left a conflict"},
		"it is cut off":          {"mail queue bulk\n", "mail\n", "the line is cut off"},
		"it is of a newer kind":  {"mail queue bulk\n", "mail colour red\n", `there is no line of the kind "colour"`},
		"quotes":                 {`removed "/subject" "text"`, `removed "/subject "text"`, "is missing"},
		"backquotes":             {`removed "/subject" "text"`, "removed \"/subject\" `text`", "is missing"},
		"a text too many":        {`"nobody read it"`, `"nobody read it" "x"`, "is too much"},
		"no break":               {" old TYPE", " sideways TYPE", "it is no accepted break"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, right, c.was)
			_, err := Parse([]byte(strings.Replace(right, c.was, c.is, 1)))
			var wrong *Error
			require.True(t, errors.As(err, &wrong), "%v", err)
			assert.Contains(t, wrong.Text, c.want)
			assert.NotEmpty(t, wrong.Fix)
			assert.Positive(t, wrong.Line)
			assert.ErrorContains(t, err, "taskgen.lock:")
		})
	}
}

func TestWhatNoShapeHasIsTrimmed(t *testing.T) {
	f := example(t)
	mail := f["mail"]
	hash, _ := shapeOf(t, "/ object", "/to text required")
	mail.Removed = append(mail.Removed, Removed{"/to", "text", "it is gone"})
	mail.Trim()
	assert.Equal(t, []Removed{{"/to", "text", "it is gone"}}, mail.Removed)
	assert.Len(t, mail.Accepted, 6)
	delete(mail.Shapes, hash)
	mail.Trim()
	assert.Empty(t, mail.Removed)
	assert.Len(t, mail.Accepted, 4)
}

func FuzzParse(f *testing.F) {
	f.Add(example(f).Text())
	f.Add([]byte("a name b\na accepted 0123456789ab old X \"\" \"\" \"\"\n"))
	f.Fuzz(func(t *testing.T, text1 []byte) {
		file, err := Parse(text1)
		if err != nil {
			var wrong *Error
			require.True(t, errors.As(err, &wrong))
			return
		}
		want := text(file)
		again, err := Parse(want)
		require.NoError(t, err, "%q", want)
		require.Equal(t, string(want), string(text(again)))
	})
}
