package sqstest_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAShuffledQueueHandsOutEachMessageInNoOrder(t *testing.T) {
	t.Parallel()
	w := testEnv(t)
	w.fake.Shuffle = true
	url := w.queue()
	var sent, got []string
	for i := range 100 {
		sent = append(sent, strconv.Itoa(i))
		w.send(url, sent[i])
	}
	for range 10 {
		got = append(got, strings.Split(bodies(w.receive(url, 10, 0)), ",")...)
	}
	assert.ElementsMatch(t, sent, got)
	assert.False(t, slices.Equal(sent, got))
}

func TestOneOfSoManyMessagesIsDeliveredTwice(t *testing.T) {
	t.Parallel()
	w := testEnv(t)
	w.fake.DeliverTwice = 3
	url := w.queue()
	for i := range 4 {
		w.send(url, strconv.Itoa(i))
	}
	first := w.receive(url, 4, 0)
	assert.Equal(t, "0,1,2,3", bodies(first))
	again := w.receive(url, 10, 0)
	assert.Equal(t, "2", bodies(again))
	assert.Equal(t, "2", count(again[0]))
	w.delete(url, first...)
	assert.Equal(t, "0/1/0", w.counts(url), "a handle that was replaced deletes nothing")
	w.delete(url, again...)
	assert.Equal(t, "0/0/0", w.counts(url))
}

func TestCountsThatTrailAreRightInTheEnd(t *testing.T) {
	t.Parallel()
	w := testEnv(t)
	url := w.queue()
	w.fake.TrailCounts(time.Hour)
	assert.Equal(t, "0/0/0", w.counts(url))
	w.send(url, "x")
	assert.Equal(t, "0/0/0", w.counts(url))
	w.fake.TrailCounts(50 * time.Millisecond)
	require.Eventually(t, func() bool { return w.counts(url) == "1/0/0" }, patience, time.Millisecond)
	w.fake.TrailCounts(0)
	w.send(url, "x")
	assert.Equal(t, "2/0/0", w.counts(url))
}
