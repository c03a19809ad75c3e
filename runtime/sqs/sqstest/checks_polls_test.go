package sqstest_test

import (
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var pollChecks = []check{
	{name: "a long poll waits its time when there is nothing", do: func(w *env) {
		p := w.poll(w.queue(), 1, 2)
		w.pass(time.Second)
		assert.False(w, p.over(), "it is to wait 2 s")
		w.pass(time.Second)
		assert.Empty(w, p.result())
		assert.GreaterOrEqual(w, p.took, 1900*time.Millisecond)
	}},
	{name: "a queue may make every receive wait", do: func(w *env) {
		p := w.poll(w.queue("ReceiveMessageWaitTimeSeconds", "2"), 1, 0)
		w.pass(time.Second)
		assert.False(w, p.over(), "it is to wait 2 s")
		w.pass(time.Second)
		assert.Empty(w, p.result())
	}},
	{name: "a send wakes a long poll", do: func(w *env) {
		url := w.queue()
		p := w.poll(url, 1, 20)
		w.send(url, "x")
		assert.Equal(w, "x", bodies(p.result()))
	}},
	{name: "the end of a visibility wakes a long poll", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		w.one(url, visibility(1))
		p := w.poll(url, 1, 20)
		w.pass(time.Second)
		assert.Equal(w, "x", bodies(p.result()))
	}},
	{name: "the end of a delay wakes a long poll", do: func(w *env) {
		url := w.queue()
		w.send(url, "x", delay(1))
		p := w.poll(url, 1, 20)
		w.pass(time.Second)
		assert.Equal(w, "x", bodies(p.result()))
	}},
	{name: "visibility zero wakes a long poll", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url)
		p := w.poll(url, 1, 20)
		w.must(w.change(url, m, 0))
		assert.Equal(w, "x", bodies(p.result()))
	}},
	{name: "the end of a group's lock wakes a long poll", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "A", "a1", "a2")
		m := w.one(url)
		p := w.poll(url, 1, 20)
		w.delete(url, m)
		assert.Equal(w, "a2", bodies(p.result()))
	}},
	{name: "a long poll does not wait for as many as it may have", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		p := w.poll(url, 10, 10)
		w.pass(time.Second)
		assert.True(w, p.over(), "there was a message at once")
		assert.Equal(w, "x", bodies(p.result()))
	}},
	{name: "a message wakes one poll, and the others go on waiting", do: func(w *env) {
		url := w.queue()
		var polls []*pending
		for range 4 {
			polls = append(polls, w.poll(url, 10, 5))
		}
		w.send(url, "x")
		over := func() (n int) {
			for _, p := range polls {
				if p.over() {
					n++
				}
			}
			return n
		}
		require.Eventually(w, func() bool { return over() > 0 }, patience, time.Millisecond)
		w.pass(time.Second)
		assert.Equal(w, 1, over(), "polls that returned for one message")
		w.pass(5 * time.Second)
		all := ""
		for _, p := range polls {
			all += bodies(p.result())
		}
		assert.Equal(w, "x", all)
	}},
}
