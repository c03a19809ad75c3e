package sqs

import (
	"log/slog"
	"time"
)

// Bounds of the pauses between polls of the delayed tasks of a fifo queue that fail.
const (
	firstLaterPause = time.Second
	maxLaterPause   = time.Minute
)

// laterDid notes how it went with the delayed tasks of a fifo queue. Trouble there is told
// and stops nothing else: the queue's other tasks are not asked for on the same SQS queue.
func (e *engine) laterDid(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	log := slog.With(slog.String("queue", e.name), slog.String("sqs", e.later.name))
	switch {
	case e.closing:
	case err == nil && e.laterFailed > 0:
		log.Info("sqs: delayed tasks are received again", slog.Int("failures", e.laterFailed))
		e.laterFailed = 0
	case err != nil:
		if e.laterFailed == 0 {
			log.Error("sqs: cannot receive delayed tasks, will keep trying; other tasks are not affected", slog.Any("error", err))
		}
		pause := min(firstLaterPause<<min(e.laterFailed, 10), maxLaterPause)
		e.laterFailed++
		e.laterRest = time.Now().Add(pause)
		time.AfterFunc(pause, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.wakeAll() // and so there is a poll again
		})
	}
}

// tellStore tells of a store that is away, while other tasks come: else a Dequeue
// answers it. mu is held.
func (e *engine) tellStore(err error) {
	if now := time.Now(); err != nil && now.Sub(e.storeTold) >= time.Minute {
		e.storeTold = now
		slog.Error("sqs: tasks wait for the store of their payloads, will keep trying", slog.String("queue", e.name), slog.Any("error", err))
	}
}
