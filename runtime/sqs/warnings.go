package sqs

import (
	"errors"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of the pauses between failing polls of the delayed tasks of a fifo queue.
const (
	firstLaterPause = time.Second
	maxLaterPause   = time.Minute
)

// recordLaterPoll records the result of a poll for the delayed tasks of a fifo queue. The
// first of several failures is logged. A failure stops nothing else: the queue's other tasks
// come from another SQS queue.
func (e *queueState) recordLaterPoll(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	log := e.p.logger().With(slog.String("queue", e.name), slog.String("sqs", e.later.name))
	switch {
	case e.closing:
	case err == nil && e.laterFailed > 0:
		log.Info("sqs: delayed tasks are received again", slog.Int("failures", e.laterFailed))
		e.laterFailed = 0
	case err != nil:
		switch {
		case e.laterFailed > 0:
		case errors.Is(err, driver.ErrUnknownQueue):
			log.Warn("sqs: the SQS queue of the delayed tasks was deleted: if the whole queue was, stop its workers; if not, close the queue and open it again, which creates it", slog.Any("error", err))
		default:
			log.Error("sqs: cannot receive delayed tasks, will keep trying; other tasks are not affected", slog.Any("error", err))
		}
		pause := min(firstLaterPause<<min(e.laterFailed, 10), maxLaterPause)
		e.laterFailed++
		e.laterRetryAt = time.Now().Add(pause)
		time.AfterFunc(pause, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.wakeAll() // so that there is a poll again
		})
	}
}

// warnStore logs that the store is unavailable while other tasks come: else a Dequeue
// returns the error. mu is held.
func (e *queueState) warnStore(err error) {
	if now := time.Now(); err != nil && now.Sub(e.storeWarned) >= time.Minute {
		e.storeWarned = now
		e.p.logger().Error("sqs: tasks wait for the store of their payloads, will keep trying", slog.String("queue", e.name), slog.Any("error", err))
	}
}
