package runtime

import (
	"iter"

	"github.com/taskgen/taskgen/runtime/driver"
)

type (
	BatchError   = driver.BatchError
	Browser      = driver.Browser
	Canceller    = driver.Canceller
	Capabilities = driver.Capabilities
	Clock        = driver.Clock
	Death        = driver.Death
	Delivery     = driver.Delivery
	Discarder    = driver.Discarder
	Enqueued     = driver.Enqueued
	Enqueuer     = driver.Enqueuer
	EnqueuerFunc = driver.EnqueuerFunc
	Finder       = driver.Finder
	Found        = driver.Found
	ItemError    = driver.ItemError
	Pauser       = driver.Pauser
	Provider     = driver.Provider
	Purger       = driver.Purger
	Queue        = driver.Queue
	QueueConfig  = driver.QueueConfig
	QueueType    = driver.QueueType
	Receipt      = driver.Receipt
	Redriver     = driver.Redriver
	Rescheduler  = driver.Rescheduler
	ResultKeeper = driver.ResultKeeper
	ResultStore  = driver.ResultStore
	Results      = driver.Results
	Revival      = driver.Revival
	Reviver      = driver.Reviver
	State        = driver.State
	Stats        = driver.Stats
	StoredResult = driver.StoredResult
	Task         = driver.Task
	Timer        = driver.Timer
)

const (
	BuryUnknown            = driver.BuryUnknown
	Dead                   = driver.Dead
	DefaultLevels          = driver.DefaultLevels
	DefaultMaxDeliveries   = driver.DefaultMaxDeliveries
	DefaultResultRetention = driver.DefaultResultRetention
	DefaultUnknown         = driver.DefaultUnknown
	DefaultVisibility      = driver.DefaultVisibility
	EnvelopeVersion        = driver.EnvelopeVersion
	FIFO                   = driver.FIFO
	Leased                 = driver.Leased
	MetaAttemptPrefix      = driver.MetaAttemptPrefix
	MetaAttempts           = driver.MetaAttempts
	MetaClaimed            = driver.MetaClaimed
	MetaFailedAt           = driver.MetaFailedAt
	MetaFailureReason      = driver.MetaFailureReason
	MetaOriginalQueue      = driver.MetaOriginalQueue
	MetaRedriveCount       = driver.MetaRedriveCount
	MetaRedrivenFrom       = driver.MetaRedrivenFrom
	MetaStackPrefix        = driver.MetaStackPrefix
	Priority               = driver.Priority
	Ready                  = driver.Ready
	Scheduled              = driver.Scheduled
	Standard               = driver.Standard
	Unlimited              = driver.Unlimited
)

var (
	ErrClosed          = driver.ErrClosed
	ErrDuplicate       = driver.ErrDuplicate
	ErrInvalidQueue    = driver.ErrInvalidQueue
	ErrInvalidTask     = driver.ErrInvalidTask
	ErrLeaseLost       = driver.ErrLeaseLost
	ErrMaxDeliveries   = driver.ErrMaxDeliveries
	ErrNoTasks         = driver.ErrNoTasks
	ErrPanic           = driver.ErrPanic
	ErrPayloadTooLarge = driver.ErrPayloadTooLarge
	ErrQueueFull       = driver.ErrQueueFull
	ErrQueueMismatch   = driver.ErrQueueMismatch
	ErrStopping        = driver.ErrStopping
	ErrTaskExpired     = driver.ErrTaskExpired
	ErrTaskFailed      = driver.ErrTaskFailed
	ErrTaskNotFound    = driver.ErrTaskNotFound
	ErrTimeout         = driver.ErrTimeout
	ErrUnknownQueue    = driver.ErrUnknownQueue
	ErrUnknownType     = driver.ErrUnknownType
	ErrUnsupported     = driver.ErrUnsupported
	SystemClock        = driver.SystemClock
	AppendEnvelope     = driver.AppendEnvelope
	Behind             = driver.Behind
	BrowseAll          = driver.BrowseAll
	Buried             = driver.Buried
	Bury               = driver.Bury
	DeathOf            = driver.DeathOf
	DecodeEnvelope     = driver.DecodeEnvelope
	ErrorAt            = driver.ErrorAt
	HearBehind         = driver.HearBehind
	HearBuried         = driver.HearBuried
	NoteAttempt        = driver.NoteAttempt
	PanicStack         = driver.PanicStack
	Unbury             = driver.Unbury
)

func Paged[T any](page func(cursor string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return driver.Paged(page)
}
