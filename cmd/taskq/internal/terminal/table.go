package terminal

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Column of a Table.
type Column struct {
	Name string
	// Right aligns numbers.
	Right bool
	// Shrinks says that its texts may be cut off where the terminal is too narrow, down to Least
	// characters. 0: 12.
	Shrinks bool
	Least   int
	// Optional columns are left out where the terminal is too narrow, the last one first.
	Optional bool
}

// A Cell is a text and its colour.
type Cell struct {
	Text  string
	Color string
}

// A Table has rows, of a cell for each column.
type Table struct {
	columns []Column
	rows    [][]Cell
}

// NewTable returns a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Row adds a row. A cell is a string, a number or a Cell.
func (t *Table) Row(cells ...any) {
	row := make([]Cell, len(t.columns))
	for i, c := range cells {
		switch c := c.(type) {
		case Cell:
			row[i] = c
		case string:
			row[i].Text = c
		default:
			row[i].Text = fmt.Sprint(c)
		}
		row[i].Text = OneLine(row[i].Text)
	}
	t.rows = append(t.rows, row)
}

// gap is between two columns.
const gap = 2

// least is how wide a column stays that shrinks.
func (c Column) least() int { return cmp.Or(c.Least, 12) }

// Lines are the lines of the table, no wider than width; 0 is as wide as need be.
func (t *Table) Lines(width int, colored func(color, text string) string) []string {
	shown, widths := t.fit(width)
	lines := make([]string, 0, len(t.rows)+1)
	head := make([]Cell, len(t.columns))
	for i, c := range t.columns {
		head[i] = Cell{c.Name, Bold}
	}
	for _, row := range slices.Insert(slices.Clone(t.rows), 0, head) {
		var b strings.Builder
		for at, i := range shown {
			text := Cut(row[i].Text, widths[i])
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			last := at == len(shown)-1
			switch {
			case t.columns[i].Right:
				b.WriteString(space + colored(row[i].Color, text))
			case last:
				b.WriteString(colored(row[i].Color, text))
			default:
				b.WriteString(colored(row[i].Color, text) + space)
			}
			if !last {
				b.WriteString(strings.Repeat(" ", gap))
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// fit chooses the columns that are shown, and the width of each of all.
func (t *Table) fit(width int) (shown, widths []int) {
	widths = make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.Name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].Text))
		}
		shown = append(shown, i)
	}
	if width <= 0 {
		return shown, widths
	}
	over := func(least bool) int {
		sum := gap * (len(shown) - 1)
		for _, i := range shown {
			if w := widths[i]; least && t.columns[i].Shrinks {
				sum += min(w, t.columns[i].least())
			} else {
				sum += w
			}
		}
		return sum - width
	}
	for i := len(t.columns) - 1; i >= 0 && over(true) > 0; i-- {
		if t.columns[i].Optional {
			shown = slices.DeleteFunc(shown, func(j int) bool { return i == j })
		}
	}
	for over(false) > 0 {
		widest := -1
		for _, i := range shown {
			if t.columns[i].Shrinks && widths[i] > t.columns[i].least() && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break // too narrow for all of it: the terminal wraps lines
		}
		widths[widest]--
	}
	return shown, widths
}

// Cut is a text of at most n characters.
func Cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(n-1, 0)]) + "…"
}

// Print writes the table to Out, as wide as the terminal.
func (s *Streams) Print(t *Table) error {
	width, _ := s.Size()
	for _, line := range t.Lines(width, s.Colored) {
		if _, err := io.WriteString(s.Out, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}
