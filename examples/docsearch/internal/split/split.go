// Package split cuts Markdown documents into chunks: pieces of text that are
// short enough to be about one thing.
package split

import (
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// A Chunk is one piece of a document.
type Chunk struct {
	Heading string // the headings above it, outermost first: "Guide › Setup"
	Text    string // plain text, words separated by single spaces
}

// A Splitter cuts a Markdown source into chunks. Equal input gives equal chunks
// in equal order: the chunks' numbers identify them when a task runs twice.
type Splitter func(source []byte, o Options) []Chunk

// Headings cuts at every heading, and sections longer than o.Size words into
// windows.
func Headings(source []byte, o Options) []Chunk {
	var chunks []Chunk
	for _, s := range sections(source) {
		for _, w := range windows(s.words, o.Size, o.Overlap) {
			chunks = append(chunks, Chunk{Heading: s.heading, Text: strings.Join(w, " ")})
		}
	}
	return chunks
}

// Windows cuts every o.Size words, whatever the headings: for documents that
// have none or too many. A chunk's heading is the one its first word stands
// under.
func Windows(source []byte, o Options) []Chunk {
	var words, headings []string
	for _, s := range sections(source) {
		for _, w := range s.words {
			words, headings = append(words, w), append(headings, s.heading)
		}
	}
	var chunks []Chunk
	for i, w := range windows(words, o.Size, o.Overlap) {
		chunks = append(chunks, Chunk{Heading: headings[i*(o.Size-o.Overlap)], Text: strings.Join(w, " ")})
	}
	return chunks
}

// windows cuts words into runs of at most size, each of which repeats the last
// overlap words of the one before. No run is a mere repetition.
func windows(words []string, size, overlap int) [][]string {
	var runs [][]string
	for start := 0; start < len(words); start += size - overlap {
		if start > 0 && len(words)-start <= overlap {
			break // all of it stood in the run before
		}
		runs = append(runs, words[start:min(start+size, len(words))])
	}
	return runs
}

// Title returns the first heading of the highest level, or "".
func Title(source []byte) string {
	title, best := "", 7
	doc := parse(source)
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok && h.Level < best {
			title, best = strings.Join(plainWords(h, source), " "), h.Level
		}
	}
	return title
}

type section struct {
	heading string
	words   []string
}

// sections are the parts of a document between headings, in order and without
// empty ones.
func sections(source []byte) []section {
	var (
		all  []section
		path [7]string // the heading of each level that is open
		cur  section
	)
	flush := func() {
		if len(cur.words) > 0 {
			all = append(all, cur)
		}
	}
	doc := parse(source)
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			cur.words = append(cur.words, plainWords(n, source)...)
			continue
		}
		flush()
		path[h.Level] = strings.Join(plainWords(h, source), " ")
		clear(path[h.Level+1:])
		cur = section{heading: breadcrumb(path[:])}
	}
	flush()
	return all
}

func breadcrumb(path []string) string {
	var open []string
	for _, h := range path {
		if h != "" {
			open = append(open, h)
		}
	}
	return strings.Join(open, " › ")
}

func parse(source []byte) ast.Node {
	return goldmark.DefaultParser().Parse(text.NewReader(source))
}

// plainWords are the words of a node without Markdown's marks. Code counts as
// text; raw HTML does not.
func plainWords(root ast.Node, source []byte) []string {
	var b strings.Builder
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the callback never fails
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte('\n')
				}
			}
		case *ast.AutoLink:
			if entering {
				b.Write(n.Label(source))
			}
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			if entering {
				b.Write(n.Lines().Value(source))
			}
		}
		if !entering && n.Type() == ast.TypeBlock {
			b.WriteByte('\n') // the words of two blocks do not run together
		}
		return ast.WalkContinue, nil
	})
	return strings.Fields(strings.ToValidUTF8(b.String(), ""))
}
