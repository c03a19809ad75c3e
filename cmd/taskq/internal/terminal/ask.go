package terminal

import (
	"bufio"
	"fmt"
	"strings"
)

// Ask has somebody type a word, after a question, and reports whether it is the one.
func (s *Streams) Ask(question, word string) (bool, error) {
	fmt.Fprintf(s.Err, "%s\nType %s to go on: ", Visible(question), Visible(word))
	line, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil && line == "" {
		return false, err
	}
	return strings.TrimSpace(line) == word, nil
}
