package pool

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
)

// ReadsShape reports whether a type whose own shape is own, and that reads others as well,
// reads payloads of a shape. If one of the two shapes is not known, it does.
func ReadsShape(shape, own string, others []string) bool {
	return shape == own || shape == "" || own == "" || slices.Contains(others, shape)
}

// maxShapesTold bounds the shapes that an error lists: it must have room for what comes
// behind them.
const maxShapesTold = 8

// ErrShape is why a task whose shape its type does not read is not run.
func ErrShape(t *driver.Task, own string, others []string) error {
	told := own
	if n := len(others); n > 0 {
		told += ", " + strings.Join(others[:min(n, maxShapesTold)], ", ")
		if n > maxShapesTold {
			told += fmt.Sprintf(" and %d more", n-maxShapesTold)
		}
	}
	return fmt.Errorf("%w: the payload of the type %q has the shape %s, and the handler reads %s", driver.ErrUnknownShape, t.Type, t.Shape, told)
}

func (p *Policy) reads(shape string) bool { return ReadsShape(shape, p.Shape, p.Reads) }

// validateShapes refuses shapes that no task can have.
func (p *Policy) validateShapes() error {
	for _, shape := range append([]string{p.Shape}, p.Reads...) {
		if shape != "" && !driver.ValidShape(shape) {
			return fmt.Errorf("taskgen: type %q has or reads the shape %.40q, which is not 12 hexadecimal digits in lower case", p.Type, shape)
		}
	}
	return nil
}
