package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible is a text on one line in which everything is visible: characters that a
// terminal or a log would interpret or hide (control characters, direction marks,
// invalid bytes) are escaped as in a Go string. Tabs are kept.
func Visible(s string) string { return escaped(s, '\t', goEscape) }

func escaped(s string, keep rune, escape func(b *strings.Builder, r rune, raw string)) string {
	if strings.IndexFunc(s, func(r rune) bool { return r != keep && !shows(r) }) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			size = 1
			r = -1 // a byte that is no text
		}
		if r == keep || r >= 0 && shows(r) {
			b.WriteRune(r)
			continue
		}
		escape(&b, r, s[i:i+size])
	}
	return b.String()
}

// shows reports whether a character is visible as itself. Joiners are, in the scripts
// that use them.
func shows(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) || r == nonJoiner || r == joiner
}

func goEscape(b *strings.Builder, r rune, raw string) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0 || r < utf8.RuneSelf:
		fmt.Fprintf(b, `\x%02x`, raw[0])
	case r <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// jsonEscape writes the content of a JSON string.
func jsonEscape(b *strings.Builder, r rune, _ string) {
	switch {
	case r < 0:
		b.WriteString(`\ufffd`)
	case r <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		r -= 0x10000
		fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
	}
}

// A Writer passes text on line by line, and escapes everything that a terminal or a log
// would interpret. All output of a command goes through one: names of files, source text
// and the output of other programs are not trusted.
type Writer struct {
	w      io.Writer
	format string
	line   []byte // what has come of the line
}

// NewWriter returns a writer for one of the formats text, json, github and sarif. In text no
// line is a workflow command of a CI system; in github those of [GitHub] are. In json and
// sarif invisible characters are escaped as in a string.
func NewWriter(w io.Writer, format string) *Writer { return &Writer{w: w, format: format} }

// Write implements io.Writer. It passes on only complete lines.
func (w *Writer) Write(p []byte) (int, error) {
	start := 0
	for i, c := range p {
		if c != '\n' {
			continue
		}
		w.line = append(w.line, p[start:i]...)
		start = i + 1
		if err := w.pass("\n"); err != nil {
			return start, err
		}
	}
	w.line = append(w.line, p[start:]...)
	return len(p), nil
}

// Flush passes on an incomplete last line.
func (w *Writer) Flush() error {
	if len(w.line) == 0 {
		return nil
	}
	return w.pass("")
}

func (w *Writer) pass(end string) error {
	line := string(w.line)
	w.line = w.line[:0]
	switch w.format {
	case "json", "sarif":
		line = escaped(line, '\t', jsonEscape)
	case "github":
		line = Visible(line)
	default:
		line = harmless(Visible(line))
	}
	_, err := io.WriteString(w.w, line+end)
	return err
}

// commands are interpreted by CI systems anywhere in a line.
var commands = strings.NewReplacer("##[", `#\#[`, "##vso[", `#\#vso[`, "##teamcity[", `#\#teamcity[`)

// harmless is a line that no CI system interprets as a command.
func harmless(line string) string {
	rest := strings.TrimLeftFunc(line, unicode.IsSpace)
	if strings.HasPrefix(rest, "::") {
		line = line[:len(line)-len(rest)] + `\` + rest
	}
	return commands.Replace(line)
}
