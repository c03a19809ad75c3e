package command

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func viewOf(width, height int) *topView {
	return &topView{name: "the server at https://tasks.example.com", width: width, height: height, colored: func(_, text string) string { return text }}
}

func queueOf(name string, ready int64) *v1.ListedQueue {
	return &v1.ListedQueue{
		Info: &v1.QueueInfo{Name: name}, Open: true, Workers: 1, Stats: &v1.QueueStats{Ready: ready, Dead: 1, OldestAge: durationpb.New(90 * time.Second)},
		LastMinute: &v1.QueueTotals{Completed: 900, Retried: 20, Died: 10},
	}
}

func TestAPictureHasNumbersRatesRunsAndWorkers(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	before := &topSample{at: at, queues: []*v1.ListedQueue{queueOf("emails", 5)}}
	now := &topSample{at: at.Add(2 * time.Second), queues: []*v1.ListedQueue{queueOf("emails", 8)}, workers: []*v1.Worker{
		{Name: "mail-1", Slots: 10, Busy: 2, Running: []*v1.RunningTask{{TaskId: "short", Type: "mail", Since: timestamppb.New(at)}, {TaskId: "long", Type: "mail", Attempt: 2, Since: timestamppb.New(at.Add(-time.Hour))}}},
		{Name: "mail-2", Slots: 10, Quiet: true},
	}}
	text := strings.Join(viewOf(0, 0).frame(now, before), "\n")
	assert.Contains(t, text, "taskq top  08:00:02  the server at")
	assert.Contains(t, text, "tasks    ready 8  scheduled 0  leased 0  dead 1  done 15.0/s  failed 0.5/s")
	assert.Contains(t, text, "workers  2  busy 2 of 20 [##..................]  quiet 1")
	assert.Regexp(t, `emails +8 +0 +0 +1 +1m30s +15\.0 +0\.5 +\+1\.5 +1 +open`, text)
	assert.Regexp(t, `long +mail +1h +2 +mail-1(.*\n)+short +mail +2\.0s`, text, "the longest first")
	assert.Regexp(t, `mail-2 +0/10 +quiet`, text)
	assert.NotContains(t, text, "quit", "nobody steers it")
}

func TestWhatIsNotKnownIsNoNumber(t *testing.T) {
	away := &v1.ListedQueue{Info: &v1.QueueInfo{Name: "away"}, Open: true, Error: "no answer"}
	idle := queueOf("idle", 3)
	idle.Workers, idle.LastMinute = 0, nil
	text := strings.Join(viewOf(0, 0).frame(&topSample{queues: []*v1.ListedQueue{away, idle}}, nil), "\n")
	assert.Regexp(t, `away +- +- +- +- +- +- +- +- +0 +error`, text)
	assert.Regexp(t, `idle +3 +0 +0 +1 +1m30s +- +- +- +0 +no workers`, text)
	assert.NotContains(t, text, "/s  failed", "there is no history")
	assert.Contains(t, text, "no task runs")
	assert.Contains(t, text, "there are no workers")
	text = strings.Join(viewOf(0, 0).frame(&topSample{queues: []*v1.ListedQueue{idle}, blind: "the server reads no fleet"}, nil), "\n")
	assert.Contains(t, text, "workers  cannot be seen: the server reads no fleet")
	assert.NotContains(t, text, "no workers", "whether there are some is not known")
	assert.NotContains(t, text, "no task runs")
}

func TestAPictureFitsTheTerminal(t *testing.T) {
	now := &topSample{at: time.Now()}
	for i := range 40 {
		now.queues = append(now.queues, queueOf(fmt.Sprintf("a-queue-with-a-rather-long-name-%d", i), 123456))
		now.workers = append(now.workers, &v1.Worker{Name: fmt.Sprintf("worker-%d", i), Quiet: true, Running: []*v1.RunningTask{{TaskId: "01890a5d-ac96-774b-bcce-b302099a8057", Type: strings.Repeat("long", 60)}}})
	}
	for _, size := range [][2]int{{200, 50}, {80, 24}, {80, 12}, {80, 3}} {
		v := viewOf(size[0], size[1])
		v.keys, v.warning = "q quit", strings.Repeat("a long error ", 20)
		lines := v.frame(now, nil)
		assert.LessOrEqual(t, len(lines), size[1])
		assert.Equal(t, "q quit", lines[len(lines)-1])
		for _, line := range lines {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), size[0], line)
		}
	}
	text := strings.Join(viewOf(80, 24).frame(now, nil), "\n")
	assert.Equal(t, 3, strings.Count(text, "… and "), "each part has its share")
	assert.Contains(t, text, "01890a5d-ac96-774b-bcce-b302099a8057", "an ID is whole")
}

func TestAShortPartLeavesItsRoomToTheOthers(t *testing.T) {
	lines := func(n int) []string { return make([]string, n) }
	var got []int
	for _, part := range fitted([][]string{lines(2), lines(30), lines(30)}, 20) {
		got = append(got, len(part))
	}
	assert.Equal(t, []int{2, 9, 9}, got)
}

func TestTheOrderOfTheQueuesCanBeChanged(t *testing.T) {
	w := &watch{}
	now := &topSample{queues: []*v1.ListedQueue{queueOf("a", 1), queueOf("b", 9)}}
	now.queues[0].Stats.Dead = 5
	first := func() string {
		v := viewOf(0, 0)
		v.order = w.order
		return strings.Fields(v.queues(now, nil).Lines(0, v.colored)[1])[0]
	}
	var got []string
	for range topOrders {
		got = append(got, topOrders[w.order].name+" "+first())
		assert.False(t, w.press('s'))
	}
	assert.Equal(t, []string{"name a", "ready b", "oldest a", "dead a"}, got)
	assert.Zero(t, w.order, "it begins anew")
	w.press('p')
	assert.True(t, w.held)
	w.press('p')
	assert.False(t, w.held)
	assert.True(t, w.press('q'))
	assert.True(t, w.press(3), "ctrl-c")
}

func TestAServerThatIsAwayKeepsTheLastPicture(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	w := &watch{samples: []*topSample{{at: at}}}
	w.take(looked{err: errors.New("connection refused")})
	assert.Equal(t, "no answer since 08:00:00: connection refused", w.warning)
	for i := range 90 {
		w.take(looked{sample: &topSample{at: at.Add(time.Duration(i+1) * 2 * time.Second)}})
	}
	assert.Empty(t, w.warning)
	assert.Len(t, w.samples, 31, "growth is measured over a minute")
}
