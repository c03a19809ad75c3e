package index

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/examples/docsearch/internal/embed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *Index {
	t.Helper()
	x, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

func chunk(path, version string, number int, text string) *Chunk {
	return &Chunk{Path: path, Version: version, Number: number, Text: text, Vector: embed.Text(text)}
}

// put indexes a whole document of one chunk per text.
func put(t *testing.T, x *Index, path, version string, texts ...string) {
	t.Helper()
	ctx := context.Background()
	_, err := x.Begin(ctx, Document{Path: path, Version: version, Title: path, Chunks: len(texts)})
	require.NoError(t, err)
	for i, text := range texts {
		_, err := x.Put(ctx, chunk(path, version, i, text))
		require.NoError(t, err)
	}
	require.NoError(t, x.Finish(ctx, path, version))
}

func TestExactlyOneOfConcurrentPutsSeesTheDocumentComplete(t *testing.T) {
	x, ctx := open(t, filepath.Join(t.TempDir(), "index.db")), context.Background()
	const chunks = 40
	_, err := x.Begin(ctx, Document{Path: "a.md", Version: "1", Chunks: chunks})
	require.NoError(t, err)
	missing := make([]int, chunks)
	var wg sync.WaitGroup
	for i := range chunks {
		wg.Go(func() {
			n, err := x.Put(ctx, chunk("a.md", "1", i, "text"))
			assert.NoError(t, err)
			missing[i] = n
		})
	}
	wg.Wait()
	want := make([]int, chunks)
	for i := range want {
		want[i] = i
	}
	assert.ElementsMatch(t, want, missing)
}

func TestRepeatedWritesChangeNothing(t *testing.T) {
	x, ctx := open(t, ""), context.Background()
	d := Document{Path: "a.md", Version: "1", Title: "A", Chunks: 2}
	for range 2 {
		missing, err := x.Begin(ctx, d)
		require.NoError(t, err)
		assert.Equal(t, []int{0, 1}, missing)
	}
	for range 2 {
		missing, err := x.Put(ctx, chunk("a.md", "1", 1, "text"))
		require.NoError(t, err)
		assert.Equal(t, 1, missing)
	}
	missing, err := x.Begin(ctx, d)
	require.NoError(t, err)
	assert.Equal(t, []int{0}, missing, "what is in stays in")

	_, err = x.Put(ctx, chunk("a.md", "1", 0, "text"))
	require.NoError(t, err)
	require.NoError(t, x.Finish(ctx, "a.md", "1"))
	require.NoError(t, x.Finish(ctx, "a.md", "1"))
	_, err = x.Begin(ctx, d)
	require.NoError(t, err)
	d.Finished = true
	docs, err := x.Documents(ctx)
	require.NoError(t, err)
	assert.Equal(t, map[string]Document{"a.md": d}, docs, "a finished document stays finished")
}

func TestADocumentIsNotFinishedWhileChunksAreMissing(t *testing.T) {
	x, ctx := open(t, ""), context.Background()
	_, err := x.Begin(ctx, Document{Path: "a.md", Version: "1", Chunks: 1})
	require.NoError(t, err)
	require.ErrorContains(t, x.Finish(ctx, "a.md", "1"), "1 of its chunks are missing")
	hits, err := x.Search(ctx, "text", 5)
	require.NoError(t, err)
	assert.Empty(t, hits)
}

func TestANewVersionTakesThePlaceOfTheOld(t *testing.T) {
	x, ctx := open(t, ""), context.Background()
	put(t, x, "a.md", "1", "old text", "more old text")
	put(t, x, "a.md", "2", "new text")

	_, err := x.Put(ctx, chunk("a.md", "1", 0, "old text"))
	require.ErrorIs(t, err, ErrSuperseded)
	require.ErrorIs(t, x.Finish(ctx, "a.md", "1"), ErrSuperseded)
	hits, err := x.Search(ctx, "text", 5)
	require.NoError(t, err)
	require.Len(t, hits, 1)
	assert.Equal(t, "new text", hits[0].Text)
}

func TestNothingIsDoneOnceTheContextHasEnded(t *testing.T) {
	x := open(t, "")
	put(t, x, "a.md", "1", "some text")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, x.Remove(ended, "a.md"), context.Canceled)
	_, err := x.Search(ended, "text", 5)
	require.ErrorIs(t, err, context.Canceled)
	hits, err := x.Search(context.Background(), "text", 5)
	require.NoError(t, err)
	assert.Len(t, hits, 1)
}

func TestRemovedDocumentsAreGone(t *testing.T) {
	x, ctx := open(t, ""), context.Background()
	put(t, x, "a.md", "1", "some text")
	require.NoError(t, x.Remove(ctx, "a.md"))
	docs, err := x.Documents(ctx)
	require.NoError(t, err)
	assert.Empty(t, docs)
	_, err = x.Put(ctx, chunk("a.md", "1", 0, "some text"))
	assert.ErrorIs(t, err, ErrSuperseded)
}

func TestTheIndexOutlivesItsProcess(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "index.db"), context.Background()
	x, err := Open(path)
	require.NoError(t, err)
	put(t, x, "a.md", "1", "some text")
	require.NoError(t, x.Close())
	hits, err := open(t, path).Search(ctx, "some text", 5)
	require.NoError(t, err)
	assert.Len(t, hits, 1)
}

func TestSearchRanksByWhatIsRareInTheQuery(t *testing.T) {
	x, ctx := open(t, ""), context.Background()
	for i := range 20 {
		put(t, x, fmt.Sprintf("%02d.md", i), "1", fmt.Sprintf("how does the queue work in part %d", i))
	}
	put(t, x, "lease.md", "1", "a lease ends")
	hits, err := x.Search(ctx, "how does the lease work", 3)
	require.NoError(t, err)
	require.Len(t, hits, 3)
	assert.Equal(t, "lease.md", hits[0].Path)
	assert.Greater(t, hits[0].Score, hits[1].Score)
}

func TestSearchGivesOneHitOfEachSection(t *testing.T) {
	x, ctx := open(t, ""), context.Background()
	put(t, x, "a.md", "1", "a lease", "a lease ends", "the lease")
	put(t, x, "b.md", "1", "some lease")
	hits, err := x.Search(ctx, "lease ends", 5)
	require.NoError(t, err)
	require.Len(t, hits, 2)
	assert.Equal(t, "a lease ends", hits[0].Text)
	assert.Equal(t, "b.md", hits[1].Path)
}

func TestSearchLeavesOutWhatSharesNothing(t *testing.T) {
	x, ctx := open(t, ""), context.Background()
	put(t, x, "a.md", "1", "apples and pears")
	hits, err := x.Search(ctx, "!", 5)
	require.NoError(t, err)
	assert.Empty(t, hits)
}

func TestSnippetIsThePartThatMatches(t *testing.T) {
	h := Hit{Text: "One lease. Two three four. A lease ends when five six. Seven\neight."}
	assert.Equal(t, "… A lease ends …", h.Snippet("the end of a lease ends", 3))
	assert.Equal(t, "One lease. Two …", h.Snippet("lease", 3), "the first of those that are as good")
	assert.Equal(t, "One lease. Two …", h.Snippet("nothing", 3))
	assert.Equal(t, "One lease. Two three four. A lease ends when five six. Seven eight.", h.Snippet("lease", 13))
}

func BenchmarkPut(b *testing.B) {
	x, err := Open(filepath.Join(b.TempDir(), "index.db"))
	require.NoError(b, err)
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		if i%100 == 0 {
			_, err := x.Begin(ctx, Document{Path: fmt.Sprint(i), Version: "1", Chunks: 100})
			require.NoError(b, err)
		}
		_, err := x.Put(ctx, chunk(fmt.Sprint(i/100*100), "1", i%100, "some text"))
		require.NoError(b, err)
	}
	require.NoError(b, x.Close())
}
