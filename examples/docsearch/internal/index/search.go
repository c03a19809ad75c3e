package index

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/taskgen/taskgen/examples/docsearch/internal/embed"
)

// A Hit is a chunk that answers a query.
type Hit struct {
	Score   float64 // cosine similarity; 1 is the best
	Path    string
	Title   string // of the document
	Heading string
	Text    string
}

// Search returns the chunks of finished documents that are nearest to the query,
// the best first, at most limit and one of each section. Chunks that share
// nothing with the query are left out.
//
// It looks at every chunk: right for some ten thousand, and exact. The query's
// words are weighted by how rare they are (inverse document frequency), which is
// known only now: the chunks' vectors are without it.
func (x *Index) Search(ctx context.Context, query string, limit int) ([]Hit, error) {
	var (
		hits    []Hit
		vectors []embed.Vector
		wanted  = embed.Features(query)
		holders = make(map[string]int) // feature of the query → chunks that have it
	)
	err := x.rows(ctx, `
		SELECT c.path, d.title, c.heading, c.text, c.vector
		FROM documents d JOIN chunks c ON c.path = d.path AND c.version = d.version
		WHERE d.finished ORDER BY c.path, c.number`, func(row *sqlite.Stmt) error {
		data := make([]byte, row.ColumnLen(4))
		row.ColumnBytes(4, data)
		v, err := embed.FromBytes(data)
		if err != nil {
			return err
		}
		h := Hit{Path: row.ColumnText(0), Title: row.ColumnText(1), Heading: row.ColumnText(2), Text: row.ColumnText(3)}
		hits, vectors = append(hits, h), append(vectors, v)
		for f := range embed.Features(Embedded(h.Heading, h.Text)) {
			if _, ok := wanted[f]; ok {
				holders[f]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	q := embed.Weighted(query, func(f string) float64 {
		if holders[f] == 0 {
			return 0 // nobody has it: it could only add the noise of collisions
		}
		return math.Log(1 + float64(len(hits))/float64(holders[f]))
	})
	for i := range hits {
		hits[i].Score = embed.Cosine(&q, &vectors[i])
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	return best(hits, limit), nil
}

// best keeps the first hits: the best of each section, for its windows overlap
// and say much the same.
func best(sorted []Hit, limit int) []Hit {
	type section struct{ path, heading string }
	seen := make(map[section]bool)
	var kept []Hit
	for _, h := range sorted {
		s := section{h.Path, h.Heading}
		if len(kept) == limit || h.Score <= 0 {
			break
		}
		if !seen[s] {
			seen[s] = true
			kept = append(kept, h)
		}
	}
	return kept
}

// Embedded is what of a chunk goes into its vector: its headings say what the
// text is about, often in words that the text leaves out.
func Embedded(heading, text string) string { return heading + "\n" + text }

// Snippet returns the part of a hit's text, that many words at most, in which most
// words of the query stand. It begins where a sentence does.
func (h Hit) Snippet(query string, words int) string {
	all := strings.Fields(h.Text)
	if len(all) <= words {
		return strings.Join(all, " ")
	}
	wanted := embed.Features(query)
	most, best, end := -1, 0, 0
	for i := range all {
		if i > 0 && !strings.HasSuffix(all[i-1], ".") {
			continue
		}
		to := min(i+words, len(all))
		found := make(map[string]bool)
		for _, w := range embed.Words(strings.Join(all[i:to], " ")) {
			if wanted[w] > 0 {
				found[w] = true
			}
		}
		if len(found) > most {
			most, best, end = len(found), i, to
		}
	}
	snippet := strings.Join(all[best:end], " ")
	if best > 0 {
		snippet = "… " + snippet
	}
	if end < len(all) {
		snippet += " …"
	}
	return snippet
}
