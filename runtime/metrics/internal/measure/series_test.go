package measure_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

// newNames keeps the names of queues and types, and writes down what was made.
func newNames(made *[]string) *measure.Series[string, string] {
	return measure.NewSeries(
		func(q *observe.Queue) string {
			*made = append(*made, q.Provider+"/"+q.Name)
			return q.Name
		},
		func(q *observe.Queue, label string) string {
			*made = append(*made, q.Name+"/"+label)
			return label
		})
}

func TestSeriesAreMadeWhenAQueueIsOpenedAndAPoolStarts(t *testing.T) {
	var made []string
	s := newNames(&made)
	mail := &observe.Queue{Name: "mail", Provider: "redis", Types: []string{"welcome"}}
	jobs := &observe.Queue{Name: "jobs", Provider: "redis"}
	s.Open(mail)
	s.Open(jobs)
	assert.Equal(t, []string{"redis/mail", "mail/welcome", "redis/jobs"}, made)

	s.OpenPool(&observe.Pool{Queues: []*observe.Queue{mail, jobs}, Types: []observe.Type{{Name: "welcome", Queue: "mail"}, {Name: "report", Queue: "jobs"}, {Name: "anywhere"}}})
	assert.Equal(t, []string{"jobs/report"}, made[3:], "a type without a queue may come on any")
	assert.Equal(t, "anywhere", *s.Of(mail).Type("anywhere"))
	made = nil
	s.OpenPool(&observe.Pool{Queues: []*observe.Queue{jobs}, Types: []observe.Type{{Name: "anywhere"}}})
	assert.Equal(t, []string{"jobs/anywhere"}, made)

	made = nil
	for range 3 {
		assert.Equal(t, "welcome", *s.Of(mail).Type("welcome"))
		assert.Equal(t, measure.Unknown, *s.Of(mail).Type("made up"))
		assert.Equal(t, measure.Unknown, *s.Of(mail).Type("made up as well"))
	}
	assert.Equal(t, []string{"mail/unknown"}, made)
	s.OpenPool(&observe.Pool{Types: []observe.Type{{Name: "welcome", Aliases: []string{"hello"}}}})
	assert.Equal(t, "welcome", *s.Of(mail).Type("hello"))
}

func TestTheSeriesOfAClosedQueueStay(t *testing.T) {
	var made []string
	s := newNames(&made)
	first := &observe.Queue{Name: "mail", Provider: "redis", Types: []string{"welcome"}}
	s.Open(first)
	of := s.Of(first)
	s.Close(first)
	assert.Same(t, of, s.Of(first), "an event may come late")
	again := &observe.Queue{Name: "mail", Provider: "redis"}
	s.Open(again)
	assert.Same(t, of, s.Of(again))
	assert.Len(t, made, 2)
	assert.NotSame(t, of, s.Of(&observe.Queue{Name: "mail", Provider: "nats"}))
}
