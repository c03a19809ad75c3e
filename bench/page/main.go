// Command page writes the figures of docs/performance.md and of the results' own page: it
// puts what the files of results say between the marks of a page, and leaves the prose
// alone.
//
//	<!-- figures: redis loopback -->
//	…
//	<!-- end of figures -->
//
// With -check it writes nothing, and fails where a page says something else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	results := flag.String("results", "results", "the `folder` of the results")
	check := flag.Bool("check", false, "write nothing, and fail where a page is not up to date")
	flag.Parse()
	if err := errors.Join(run("../docs/performance.md", *results, *check), run(filepath.Join(*results, "README.md"), *results, *check)); err != nil {
		fmt.Fprintln(os.Stderr, "bench/page:", err)
		os.Exit(1)
	}
}

func run(file, results string, check bool) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page, err := fill(string(old), results)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", file, err)
	case page == string(old):
		return nil
	case check:
		return fmt.Errorf("%s does not say what the files in bench/results say: run `go -C bench run ./page`\n%s", file, difference(string(old), page))
	}
	return os.WriteFile(file, []byte(page), 0o644)
}

var marks = regexp.MustCompile(`(?s)(<!-- figures: ([a-z]+)( [^\n]*?)? -->\n).*?(<!-- end of figures -->)`)

// fill replaces what is between the marks.
func fill(page, results string) (string, error) {
	var errs []error
	if opened, closed := strings.Count(page, "<!-- figures:"), len(marks.FindAllString(page, -1)); opened != closed {
		errs = append(errs, fmt.Errorf("%d marks begin figures, and %d of them have an end", opened, closed))
	}
	page = marks.ReplaceAllStringFunc(page, func(block string) string {
		m := marks.FindStringSubmatch(block)
		text, err := figures(results, m[2], strings.TrimSpace(m[3]))
		if errors.Is(err, os.ErrNotExist) {
			text, err = "Not measured yet: `make bench` writes these figures.\n", nil
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the figures %s%s: %w", m[2], m[3], err))
		}
		return m[1] + "\n" + text + "\n" + m[4]
	})
	return page, errors.Join(errs...)
}

// difference is the first line that differs.
func difference(is, wanted string) string {
	a, b := strings.Split(is, "\n"), strings.Split(wanted, "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d is %q and should be %q", i+1, a[i], strings.Join(b[min(i, len(b)):min(i+1, len(b))], ""))
		}
	}
	return "lines are missing at the end"
}
