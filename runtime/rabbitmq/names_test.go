package rabbitmq

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestNoStepIsLongerThanWhatATaskHasToWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(400*24*time.Hour)).Draw(t, "wait"))
		k := stepFor(d, steps-1)
		if k < 0 {
			assert.Less(t, d, step(0)+stepSlack)
			return
		}
		assert.LessOrEqual(t, step(k)+stepSlack, d)
		if k < steps-1 {
			assert.Greater(t, step(k+1)+stepSlack, d, "a longer step would do")
		}
	})
}

func TestATaskReachesItsTimeInFewSteps(t *testing.T) {
	for d, most := range map[time.Duration]int{
		50 * time.Millisecond: 0, time.Second: 7, 5 * time.Second: 8, time.Minute: 14, time.Hour: 22, 18 * time.Hour: 30, 30 * 24 * time.Hour: 70,
	} {
		n := 0
		for rest := d; stepFor(rest, steps-1) >= 0; n++ {
			rest -= step(stepFor(rest, steps-1))
		}
		assert.LessOrEqual(t, n, most, "steps of a delay of %s", d)
	}
}

func TestNamesThatAMQPCannotHoldAreRefused(t *testing.T) {
	n := namesOf(DefaultPrefix)
	require.NoError(t, n.check("embeddings"))
	require.ErrorIs(t, n.check(strings.Repeat("x", 240)), driver.ErrInvalidQueue)
}

func TestTheQueuesOfAQueueHaveDifferentNames(t *testing.T) {
	n := namesOf("p.")
	seen := make(map[string]bool)
	add := func(name string) {
		assert.False(t, seen[name], "%s is taken", name)
		seen[name] = true
	}
	for _, q := range []string{"q", "q2"} {
		for i := range partitions {
			add(n.line(q, i))
		}
		for k := range steps {
			add(n.ownWait(q, k))
		}
		add(n.gate(q))
	}
	for k := range steps {
		add(n.wait(k))
	}
	add(n.unclaimed())
	add(n.lock())
	add(n.presenceQueue())
}

func TestNamesOfDifferentQueuesAndPrefixesDiffer(t *testing.T) {
	texts := []string{"a", "a.", ".a", "a.b", "a.b.", "b", "a:", ":a", "a:1", "a:dead", "a:gate", "a=", "a=3A1", "a=2Eb", "=", ".", "..", ":", "roll", "census", "wait.64", "due"}
	owner := make(map[string]string)
	add := func(name, of string) {
		was, taken := owner[name]
		assert.False(t, taken && was != of, "%s is a name of %s and of %s", name, was, of)
		owner[name] = of
	}
	for _, prefix := range texts {
		n := namesOf(prefix)
		// A dot is added where there is none.
		whole := strings.TrimSuffix(prefix, ".") + "."
		add(n.presence(), "the presence of "+whole)
		add(n.presenceQueue(), "the presence queue of "+whole)
		for k := range steps {
			add(n.wait(k), "the ladder of "+whole)
		}
		add(n.due(), "the end of the ladder of "+whole)
		add(n.unclaimed(), "the unclaimed tasks of "+whole)
		add(n.lock(), "the lock of "+whole)
		add(n.own("census", "1"), "a process of "+whole)
		for _, name := range texts {
			queue := "the queue " + name + " of " + whole
			for i := range partitions {
				add(n.line(name, i), queue)
			}
			for k := range steps {
				add(n.ownWait(name, k), queue)
			}
			add(n.gate(name), queue)
			add(n.deadExchange(name), queue)
			add(n.plan(name), queue)
			add(n.backstop(name), queue)
			for _, part := range []string{n.line(name, 0), n.line(name, 1), n.gate(name), n.ownWait(name, 2)} {
				assert.Equal(t, name, n.queueOf(part))
			}
		}
	}
	assert.Equal(t, "taskgen.embeddings", namesOf(DefaultPrefix).line("embeddings", 0), "ordinary names stand for themselves")
	assert.Equal(t, "taskgen.eu.mail:1", namesOf(DefaultPrefix).line("eu.mail", 1))
}

// A model of a channel: which tags the broker would settle.
func TestAcknowledgementsByRunsSettleExactlyWhatIsDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tg := newTags()
		open, settled := map[uint64]bool{}, map[uint64]bool{}
		next := uint64(1)
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			for range rapid.IntRange(0, 6).Draw(t, "deliveries") {
				tg.came(next)
				open[next] = true
				next++
			}
			var done []uint64
			for tag := range open {
				if rapid.Bool().Draw(t, "done") {
					done = append(done, tag)
				}
			}
			want := map[uint64]bool{}
			for _, tag := range done {
				want[tag] = true
			}
			multiple, singles := tg.settle(done)
			if multiple > 0 {
				require.True(t, open[multiple], "a run has to end with a tag that is open")
			}
			got := map[uint64]bool{}
			for tag := range open {
				if tag <= multiple {
					got[tag] = true
				}
			}
			for _, tag := range singles {
				require.False(t, got[tag], "tag %d is acknowledged twice", tag)
				got[tag] = true
			}
			require.Equal(t, want, got)
			for tag := range got {
				delete(open, tag)
				settled[tag] = true
			}
		}
	})
}

func TestADeliveryThatWasDroppedOnTheWayIsTold(t *testing.T) {
	tg := newTags()
	tg.came(1)
	tg.came(5)
	tg.came(2) // of another consumer, and later
	multiple, singles := tg.settle([]uint64{1, 5})
	assert.EqualValues(t, 1, multiple, "a run does not reach over what may be on its way")
	assert.Equal(t, []uint64{5}, singles)
	assert.ElementsMatch(t, []uint64{3, 4}, tg.dropped())
	assert.Empty(t, tg.dropped())
	multiple, singles = tg.settle([]uint64{2})
	assert.EqualValues(t, 2, multiple)
	assert.Empty(t, singles)
}
