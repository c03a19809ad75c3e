// Package terminal is what taskq reads from and prints to: tables, JSON, colours, questions and
// progress. Data go to standard output, everything else to standard error.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Streams are the standard streams of the command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Color says whether what goes to Out has colours.
	Color bool
}

// Colors are the values of --color.
var Colors = []string{"auto", "always", "never"}

// SetColor decides whether there are colours, by the flag and the environment.
func (s *Streams) SetColor(flag string, getenv func(string) string) error {
	switch flag {
	case "always":
		s.Color = true
	case "never":
		s.Color = false
	case "auto":
		force := getenv("CLICOLOR_FORCE")
		switch {
		case getenv("NO_COLOR") != "":
			s.Color = false
		case force != "" && force != "0":
			s.Color = true
		default:
			s.Color = IsTerminal(s.Out) && getenv("TERM") != "dumb"
		}
	default:
		return fmt.Errorf("--color is %s, not %q", strings.Join(Colors, ", "), flag)
	}
	return nil
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Interactive reports whether somebody can be asked.
func (s *Streams) Interactive() bool { return IsTerminal(s.In) }

// Size is the width and height of the terminal that Out is; 0 if it is none.
func (s *Streams) Size() (width, height int) {
	f, ok := s.Out.(*os.File)
	if !ok {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// Notef prints a line to Err.
func (s *Streams) Notef(format string, args ...any) {
	fmt.Fprintln(s.Err, Visible(fmt.Sprintf(format, args...)))
}

// The colours.
const (
	Plain  = ""
	Bold   = "1"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
	Faint  = "2"
)

// Colored is a text in a colour, if there are colours.
func (s *Streams) Colored(color, text string) string {
	if !s.Color || color == Plain || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// Visible is a text with its control characters escaped, apart from ends of lines and tabs: the
// error of a task must not steer the terminal of who reads it.
func Visible(text string) string {
	if !strings.ContainsFunc(text, steers) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steers(r) {
			fmt.Fprintf(&b, "\\x%02x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// steers reports whether a character changes how what is around it is shown.
func steers(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20 || r >= 0x7f && r < 0xa0:
		return true
	}
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 // of the direction of text
}

// OneLine is Visible without ends of lines.
func OneLine(text string) string {
	return Visible(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(strings.TrimSpace(text)))
}
