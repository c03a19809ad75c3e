package gosrc

import (
	"bytes"
	"go/format"
	"strings"
	"unicode/utf8"
)

// indent indents the lines of a text after the first by one more level. They must not
// be in a raw string.
func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n\t") }

// lines are the content of braces, one on a line.
type lines []string

func (l *lines) add(line string) { *l = append(*l, line) }

// block is the lines in braces.
func (l lines) block() string {
	if len(l) == 0 {
		return "{\n}"
	}
	return "{\n\t" + strings.Join(l, "\n\t") + "\n}"
}

// A list is the elements of a literal or the arguments of a call.
type list []string

func (l *list) add(element string) { *l = append(*l, element) }

func (l list) joined() string { return strings.Join(l, ", ") }

// inline is the list in braces on one line.
func (l list) inline() string { return "{" + l.joined() + "}" }

// text is the list in braces, one element on a line.
func (l list) text() string {
	var all lines
	for _, element := range l {
		all.add(indent(element) + ",")
	}
	return all.block()
}

// A literal is the fields of a composite literal in the order they are added.
type literal struct{ fields []row }

func (l *literal) set(name, value string) { l.raw(name, indent(value)) }

// raw adds a field with a raw string in it, which is not indented.
func (l *literal) raw(name, value string) { l.fields = append(l.fields, row{name + ":", value}) }

// text is the literal in braces, one field on a line. Values of several lines interrupt
// the alignment.
func (l *literal) text() string {
	var (
		all lines
		run []row
	)
	for _, field := range l.fields {
		if strings.Contains(field[1], "\n") {
			all = append(all, align(run)...)
			all, run = append(all, field[0]+" "+field[1]), nil
			continue
		}
		run = append(run, field)
	}
	all = append(all, align(run)...)
	for i := range all {
		all[i] += ","
	}
	return all.block()
}

// inline is the literal in braces on one line.
func (l *literal) inline() string {
	var all list
	for _, field := range l.fields {
		all.add(field[0] + " " + field[1])
	}
	return all.inline()
}

// A group is the declarations in parentheses after const, var or type.
type group []row

func (g *group) add(cells ...string) {
	for i := range cells {
		cells[i] = indent(cells[i])
	}
	*g = append(*g, cells)
}

func (g group) text() string {
	if len(g) == 0 {
		return "()"
	}
	return "(\n\t" + strings.Join(aligned(g), "\n\t") + "\n)"
}

// A row is a line in cells.
type row []string

// aligned is align for rows whose last cell may have several lines, the first of which
// ends an aligned block.
func aligned(rows []row) []string {
	var all []string
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && !strings.Contains(rows[n-1][len(rows[n-1])-1], "\n") {
			n++
		}
		all = append(all, align(rows[:n])...)
		rows = rows[n:]
	}
	return all
}

// align makes lines of rows. A cell followed by others is as wide as its column: the
// cells of the rows above and below that are followed by others, too.
func align(rows []row) []string {
	text := make([]strings.Builder, len(rows))
	for column, more := 0, true; more; column++ {
		more = false
		for i := 0; i < len(rows); i++ {
			width, first := 0, i
			for ; i < len(rows) && column+1 < len(rows[i]); i++ {
				width = max(width, utf8.RuneCountInString(rows[i][column]))
			}
			for j := first; j < i; j++ {
				cell := rows[j][column]
				text[j].WriteString(cell + strings.Repeat(" ", width+1-utf8.RuneCountInString(cell)))
				more = true
			}
		}
	}
	all := make([]string, len(rows))
	for i := range rows {
		all[i] = text[i].String() + rows[i][len(rows[i])-1]
	}
	return all
}

// gofmt formats declarations as gofmt does. It leaves invalid code unchanged.
func gofmt(declarations string) string {
	const clause = "package p\n\n"
	out, err := format.Source([]byte(clause + declarations))
	if err != nil {
		return declarations
	}
	return string(bytes.TrimSpace(bytes.TrimPrefix(out, []byte(clause))))
}
