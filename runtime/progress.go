package runtime

import (
	"context"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Progress reports how far the handler that runs under ctx has come. It does nothing if
// no middleware listens, which is what [driver.WithProgress] is for. It is cheap, and may
// be called as often as the handler likes.
func Progress(ctx context.Context, done, total int64, note string) {
	driver.ReportProgress(ctx, driver.ProgressReport{Done: done, Total: total, Note: note})
}
