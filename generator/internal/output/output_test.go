package output_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/output"
)

const header = "// generated"

// dir makes a directory with files, by name.
func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	d := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(d, name), []byte(text), 0o644))
	}
	return d
}

// names lists what is in a directory.
func names(t *testing.T, d string) []string {
	t.Helper()
	entries, err := os.ReadDir(d)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestChangesTellsWhatIsWrongWithEachFile(t *testing.T) {
	d := dir(t, map[string]string{
		"same.go": header + "\nsame\n", "stale.go": header + "\nold\n", "orphan.go": header + "\n",
		"merge.go": "<<<<<<< HEAD\n" + header + "\n=======\n", "empty.go": "",
	})
	files := map[string][]byte{}
	for name, text := range map[string]string{"same.go": "same", "stale.go": "new", "missing.go": "new", "merge.go": "new", "empty.go": "new"} {
		files[filepath.Join(d, name)] = []byte(header + "\n" + text + "\n")
	}
	files[filepath.Join(d, "orphan.go")] = nil
	files[filepath.Join(d, "gone.go")] = nil
	changes, err := output.Changes(files, header)
	require.NoError(t, err)
	var got [][2]string
	for _, c := range changes {
		got = append(got, [2]string{filepath.Base(c.Path), c.Kind()})
	}
	assert.Equal(t, [][2]string{
		{"empty.go", "stale"},
		{"merge.go", "stale"},
		{"missing.go", "missing"},
		{"orphan.go", "orphan"},
		{"stale.go", "stale"},
	}, got)

	require.NoError(t, output.Write(changes))
	assert.Equal(t, []string{"empty.go", "merge.go", "missing.go", "same.go", "stale.go"}, names(t, d), "and no temporary file is left")
	assert.Equal(t, header+"\nnew\n", read(t, filepath.Join(d, "stale.go")))
	changes, err = output.Changes(files, header)
	require.NoError(t, err)
	assert.Empty(t, changes)
}

func TestFilesOfOthersAreNotReplaced(t *testing.T) {
	d := dir(t, map[string]string{"mine.go": "package mine\n", "also.go": "package mine\n"})
	_, err := output.Changes(map[string][]byte{filepath.Join(d, "mine.go"): []byte(header), filepath.Join(d, "also.go"): nil}, header)
	assert.ErrorContains(t, err, "mine.go was not written by taskgen")
	assert.ErrorContains(t, err, "also.go was not written by taskgen")
	assert.Equal(t, "package mine\n", read(t, filepath.Join(d, "mine.go")))
}

func TestChangesReportsWhatCannotBeRead(t *testing.T) {
	d := t.TempDir()
	_, err := output.Changes(map[string][]byte{d: []byte(header)}, header)
	assert.Error(t, err)
}

func TestWriteKeepsUnchangedFilesAndTheirTimes(t *testing.T) {
	d := dir(t, map[string]string{"same.go": header})
	path := filepath.Join(d, "same.go")
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, os.Chtimes(path, old, old))
	changes, err := output.Changes(map[string][]byte{path: []byte(header)}, header)
	require.NoError(t, err)
	require.NoError(t, output.Write(changes))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, info.ModTime().Equal(old))
}

func TestWriteKeepsTheModeOfAFile(t *testing.T) {
	d := dir(t, map[string]string{"a.go": header})
	path := filepath.Join(d, "a.go")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, output.Write([]output.Change{{Path: path, Old: []byte(header), New: []byte("new")}}))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestWriteTouchesNothingWhenOneFileCannotBeWritten(t *testing.T) {
	d := dir(t, map[string]string{"a.go": "old", "orphan.go": header})
	err := output.Write([]output.Change{
		{Path: filepath.Join(d, "a.go"), Old: []byte("old"), New: []byte("new")},
		{Path: filepath.Join(d, "no", "such", "dir", "b.go"), New: []byte("new")},
		{Path: filepath.Join(d, "orphan.go"), Old: []byte(header)},
	})
	assert.Error(t, err)
	assert.Equal(t, []string{"a.go", "orphan.go"}, names(t, d))
	assert.Equal(t, "old", read(t, filepath.Join(d, "a.go")))
}

func TestWriteReportsAFileThatCannotBeReplaced(t *testing.T) {
	d := t.TempDir()
	path := filepath.Join(d, "a.go")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "full"), 0o755))
	assert.Error(t, output.Write([]output.Change{{Path: path, New: []byte("new")}}))
	assert.Equal(t, []string{"a.go"}, names(t, d))
	assert.Error(t, output.Write([]output.Change{{Path: path}}), "an orphan that cannot be removed")
}

func TestDiffShowsEveryChange(t *testing.T) {
	var b bytes.Buffer
	for _, c := range []output.Change{
		{Path: "/x/a.go", Old: []byte("one\ntwo\n"), New: []byte("one\nthree\n")},
		{Path: "/x/b.go", New: []byte("new\n")},
		{Path: "/x/c.go", Old: []byte("gone\n")},
	} {
		b.Write(c.Diff(filepath.Base(c.Path)))
	}
	assert.Equal(t, `diff a.go a.go
--- a.go
+++ a.go
@@ -1,2 +1,2 @@
 one
-two
+three
diff /dev/null b.go
--- /dev/null
+++ b.go
@@ -0,0 +1,1 @@
+new
diff c.go /dev/null
--- c.go
+++ /dev/null
@@ -1,1 +0,0 @@
-gone
`, b.String())
}

// What git (core.autocrlf), editors and people leave in a file.
func TestTextThatReadsTheSameIsNoChange(t *testing.T) {
	want := []byte(header + "\n\npackage a\n\nvar x = `\na\n`\n")
	crlf := bytes.ReplaceAll(want, []byte("\n"), []byte("\r\n"))
	for name, have := range map[string][]byte{
		"crlf":            crlf,
		"mixed":           bytes.Replace(want, []byte("\n"), []byte("\r\n"), 3),
		"mark":            append([]byte("\ufeff"), want...),
		"mark and crlf":   append([]byte("\ufeff"), crlf...),
		"no last newline": bytes.TrimSuffix(want, []byte("\n")),
		"more newlines":   append(bytes.Clone(crlf), "\r\n\n"...),
	} {
		path := filepath.Join(dir(t, map[string]string{"a.go": string(have)}), "a.go")
		changes, err := output.Changes(map[string][]byte{path: want}, header)
		require.NoError(t, err, name)
		assert.Empty(t, changes, name)
		require.NoError(t, output.Write(changes))
		assert.Equal(t, string(have), read(t, path), name)
	}
	path := filepath.Join(dir(t, map[string]string{"a.go": header + "\r\n\rx\n"}), "a.go")
	changes, err := output.Changes(map[string][]byte{path: want}, header)
	require.NoError(t, err)
	assert.Len(t, changes, 1)
}

func TestAStaleFileKeepsItsLineEnds(t *testing.T) {
	for have, want := range map[string]string{
		header + "\r\n\r\nold\r\n":         header + "\r\n\r\nnew\r\n",
		"\ufeff" + header + "\r\nold\r\n":  header + "\r\n\r\nnew\r\n",
		header + "\n\nold\n":               header + "\n\nnew\n",
		header + "\n\nold\n\nolder\r\n":    header + "\n\nnew\n",
		header + "\r\n\r\nold\r\n<<<<<<\n": header + "\r\n\r\nnew\r\n",
	} {
		path := filepath.Join(dir(t, map[string]string{"a.go": have}), "a.go")
		files := map[string][]byte{path: []byte(header + "\n\nnew\n")}
		changes, err := output.Changes(files, header)
		require.NoError(t, err)
		require.Len(t, changes, 1, "%q", have)
		diff := string(changes[0].Diff("a.go"))
		assert.NotContains(t, diff, "\r")
		assert.NotContains(t, diff, "-"+header)
		require.NoError(t, output.Write(changes))
		assert.Equal(t, want, read(t, path), "%q", have)
		changes, err = output.Changes(files, header)
		require.NoError(t, err)
		assert.Empty(t, changes)
	}
}

func TestNothingIsWrittenThroughALink(t *testing.T) {
	outside := filepath.Join(dir(t, map[string]string{"victim": header + "\ntheirs\n"}), "victim")
	for _, target := range []string{outside, "inside.go", "nowhere", filepath.Join("..", "nowhere")} {
		d := dir(t, map[string]string{"inside.go": header + "\ntheirs\n"})
		path := filepath.Join(d, "a.go")
		require.NoError(t, os.Symlink(target, path))
		files := map[string][]byte{path: []byte(header + "\nours\n")}
		changes, err := output.Changes(files, header)
		require.NoError(t, err)
		require.Len(t, changes, 1)
		require.NoError(t, output.Write(changes))
		info, err := os.Lstat(path)
		require.NoError(t, err)
		assert.True(t, info.Mode().IsRegular(), "the link is replaced, and not where it leads")
		assert.Equal(t, header+"\nours\n", read(t, path))
		assert.Equal(t, header+"\ntheirs\n", read(t, filepath.Join(d, "inside.go")))
		assert.Equal(t, []string{"a.go", "inside.go"}, names(t, d))
	}
	assert.Equal(t, header+"\ntheirs\n", read(t, outside))

	d := dir(t, nil)
	path := filepath.Join(d, "a.go")
	require.NoError(t, os.Symlink(outside, path))
	require.NoError(t, output.Write([]output.Change{{Path: path, Old: []byte(header)}}))
	assert.Empty(t, names(t, d), "an orphan that is a link goes")
	assert.FileExists(t, outside)
}

func TestALinkToWhatIsWantedIsFine(t *testing.T) {
	d := dir(t, map[string]string{"real.go": header + "\n"})
	path := filepath.Join(d, "a.go")
	require.NoError(t, os.Symlink("real.go", path))
	changes, err := output.Changes(map[string][]byte{path: []byte(header + "\n")}, header)
	require.NoError(t, err)
	assert.Empty(t, changes)
}

func TestWhatHasNoEndIsNotRead(t *testing.T) {
	d := dir(t, nil)
	path := filepath.Join(d, "a.go")
	require.NoError(t, os.Symlink("/dev/zero", path))
	_, err := output.Changes(map[string][]byte{path: []byte(header)}, header)
	assert.ErrorContains(t, err, "a.go is not a regular file")
}

func TestAFileStaysBelowItsRoot(t *testing.T) {
	root := dir(t, nil)
	outside := t.TempDir()
	inside := output.Change{Path: filepath.Join(root, "a", "b", "c.json"), New: []byte("{}"), Root: root}
	require.NoError(t, output.Write([]output.Change{inside}), "missing folders are made")
	assert.Equal(t, "{}", read(t, inside.Path))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "link")))
	require.NoError(t, os.Symlink("a", filepath.Join(root, "here")))
	for name, ok := range map[string]bool{"link/c.json": false, "../c.json": false, "here/c.json": true} {
		err := output.Write([]output.Change{{Path: filepath.Join(root, filepath.FromSlash(name)), New: []byte("{}"), Root: root}})
		assert.Equal(t, ok, err == nil, "%s: %v", name, err)
	}
	assert.Empty(t, names(t, outside))
}

func TestTheMarkOfAnOutputIsALineOfItsOwn(t *testing.T) {
	for text, ours := range map[string]bool{
		"{\n  \"$comment\": \"" + model.Mark("example.com/x") + "\",\n}":         true,
		"<!-- " + model.Mark("example.com/x") + " -->\r\n":                       true,
		"Files begin with <!-- " + model.Mark("example.com/x") + " -->":          false,
		"{\"a\": 1, \"$comment\": \"" + model.Mark("example.com/x") + "\"}":      false,
		"<!-- Code generated by taskgen from example.com/x; PLEASE DO EDIT. -->": false,
	} {
		path := filepath.Join(dir(t, map[string]string{"a": text}), "a")
		_, err := output.Changes(map[string][]byte{path: []byte("x")}, header)
		assert.Equal(t, ours, err == nil, "%s: %v", text, err)
	}
}
