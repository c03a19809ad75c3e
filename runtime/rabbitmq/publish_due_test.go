package rabbitmq

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheGateTakesNoTimeToComeForOneThatHasPassed has times beyond what nanoseconds in
// 64 bits can say.
func TestTheGateTakesNoTimeToComeForOneThatHasPassed(t *testing.T) {
	for due, want := range map[time.Time]int64{
		time.Unix(1, 5): 1e9 + 5,
		time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC):  math.MaxInt64,
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC): math.MaxInt64,
	} {
		l := letter{id: "a", due: due}
		require.Equal(t, want, l.publishing().Headers[headerDue], due)
	}
}
