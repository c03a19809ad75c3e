package generated

import (
	"fmt"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Missing is the error of a required field that has its zero value.
func Missing(taskType, field string) error {
	return fmt.Errorf("%w: a task of type %s needs %q", driver.ErrInvalidTask, taskType, field)
}
