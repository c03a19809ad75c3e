package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Keys in the metadata of a stream.
const (
	metaType = "taskgen.type" // the type of the queue
	metaDLQ  = "taskgen.dlq"  // "1": it is the dead letter queue of some queue
	metaOwn  = "taskgen.own"  // its own dead letter queue; absent in streams of earlier versions
)

// slack is how much longer the server keeps a lease than the worker's own clock: the
// time that a message and its answer may take.
const slack = time.Second

// late is how long after its lease has ended this process may put a task back itself:
// the request still reaches the server before the server's own lease ends.
const late = slack / 2

// A queueState is the state of a queue that its handles in this provider share.
type queueState struct {
	names
	p         *Provider
	requester *requester
	name      string
	kind      driver.QueueType
	dlq       atomic.Bool
	held      leases
	moves     moves

	mu      sync.Mutex
	levels  int
	pulled  []string      // the consumers that tasks come from, in order
	counted []string      // all consumers
	unit    time.Duration // the lease that their deliveries begin with
	dead    *queueState   // the dead letter queue; nil on a dead letter queue

	bounds atomic.Pointer[bounds] // of a stream that refuses messages beyond them; nil: none

	housekeeping           sync.Mutex
	lastHousekeeping       time.Time // the last run of housekeep
	lastReappearedSearch   time.Time // its last search for reappeared messages
	connects               uint64    // how often the connection had been lost by then
	compactedTo            uint64    // the end of the stream at the last gather
	lastMisaddressedSearch time.Time // the last search for misaddressed messages
}

func newQueueState(p *Provider, name string, kind driver.QueueType) *queueState {
	return &queueState{names: namesOf(p.prefix, name), p: p, requester: p.requester, name: name, kind: kind, held: leases{byReceipt: make(map[string]*lease), bySeq: make(map[uint64]*lease), givingBack: make(chan struct{}, 1)}}
}

func (s *queueState) isDLQ() bool { return s.dlq.Load() }

// declareWatched is declare, but ends when the server refuses a request.
func (s *queueState) declareWatched(ctx context.Context, cfg driver.QueueConfig) error {
	about := []string{apiPrefix(s.p.js.Options()), s.p.prefix + "."}
	return unavailable(cancelOnRefusal(ctx, s.requester.nc, about, func(ctx context.Context) error { return s.declare(ctx, cfg) }))
}

// declare creates or verifies streams and consumers: those of the queue, and on its
// dead letter queue those for the tasks that die here.
func (s *queueState) declare(ctx context.Context, cfg driver.QueueConfig) error {
	meta, err := s.stream(ctx, cfg, "")
	if err != nil {
		return err
	}
	s.dlq.Store(meta[metaDLQ] == "1")
	if s.isDLQ() {
		if err := cfg.AsDead(); err != nil {
			return fmt.Errorf("%w; if no queue names it any more, remove %s from the metadata of stream %s", err, metaDLQ, s.names.stream)
		}
	} else {
		dead := newQueueState(s.p, cfg.DLQ, driver.Standard)
		if _, err := dead.stream(ctx, driver.QueueConfig{Name: cfg.DLQ, Type: driver.Standard}, s.name); err != nil {
			return fmt.Errorf("its dead letter queue %q: %w", cfg.DLQ, err)
		}
		if err := dead.partitionConsumers(ctx, originPartition(s.name), cfg.Visibility); err != nil {
			return fmt.Errorf("its dead letter queue %q: %w", cfg.DLQ, err)
		}
		s.mu.Lock()
		s.dead = dead
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.levels = max(s.levels, cfg.Levels)
	levels := s.levels
	s.mu.Unlock()
	others := []string{s.all(placeKey), s.all(placeAnchor)}
	if cfg.Type == driver.FIFO {
		others = append(others, s.all(placeTomb))
	}
	if err := s.consumer(ctx, otherConsumer, cfg.Visibility, others...); err != nil {
		return err
	}
	if cfg.Type == driver.FIFO {
		err = s.fifoConsumers(ctx, cfg.Visibility)
	} else {
		for n := range levels {
			err = errors.Join(err, s.partitionConsumers(ctx, strconv.Itoa(n), cfg.Visibility))
		}
	}
	if err != nil {
		return err
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	_ = s.housekeepNow(ctx) // a Dequeue repeats what fails here
	return nil
}

// stream creates or verifies the stream, and returns its metadata. of is the queue that
// it serves as dead letter queue; "": it is opened as a queue.
func (s *queueState) stream(ctx context.Context, cfg driver.QueueConfig, of string) (map[string]string, error) {
	st, err := s.p.js.Stream(ctx, s.names.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		meta := map[string]string{metaType: string(cfg.Type)}
		if of != "" {
			meta[metaDLQ] = "1"
		} else {
			meta[metaOwn] = cfg.DLQ
		}
		var limit int64
		if limit, err = s.p.bound(ctx); err != nil {
			return nil, err
		}
		st, err = s.p.js.CreateStream(ctx, s.streamConfig(meta, limit))
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			st, err = s.p.js.Stream(ctx, s.names.stream) // another process was faster
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", s.names.stream, err)
	}
	have := st.CachedInfo().Config
	if err := s.verify(have, cfg.Type); err != nil {
		return nil, err
	}
	s.bounds.Store(nil)
	if !have.AllowMsgSchedules {
		s.bounds.Store(&bounds{have.MaxBytes, have.MaxMsgs})
	}
	change := s.p.replicas > 0 && have.Replicas != s.p.replicas
	if change {
		have.Replicas = s.p.replicas
	}
	if of != "" && have.Metadata[metaDLQ] != "1" {
		if err := s.refuseTaskQueue(ctx, have.Metadata[metaOwn], of); err != nil {
			return nil, err
		}
		have.Metadata = maps.Clone(have.Metadata)
		have.Metadata[metaDLQ], change = "1", true
	}
	if own := have.Metadata[metaOwn]; of == "" && own != "" && own != cfg.DLQ && have.Metadata[metaDLQ] != "1" {
		have.Metadata = maps.Clone(have.Metadata)
		have.Metadata[metaOwn], change = cfg.DLQ, true
	}
	if change {
		if _, err := s.p.js.UpdateStream(ctx, have); err != nil {
			return nil, fmt.Errorf("update stream %s: %w", s.names.stream, err)
		}
	}
	return have.Metadata, nil
}

// refuseTaskQueue refuses to make a queue for tasks the dead letter queue of another. Such
// a queue has a dead letter queue of an unusual name, or has handed out tasks. A dead
// letter queue opened before the queue that names it has neither.
func (s *queueState) refuseTaskQueue(ctx context.Context, own, of string) error {
	usual := s.name + "-dlq"
	if own == "" {
		own = usual
	}
	if own == usual {
		if s.name == of+"-dlq" {
			return nil
		}
		switch c, err := s.p.js.Consumer(ctx, s.names.stream, readyConsumer("0")); {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			return nil
		case err != nil:
			return err
		case c.CachedInfo().Delivered.Consumer == 0:
			return nil
		}
	}
	return fmt.Errorf("%w: it is a queue for tasks, with one of its own, %q: name another", driver.ErrQueueMismatch, own)
}

func (s *queueState) streamConfig(meta map[string]string, limit int64) jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name:              s.names.stream,
		Description:       fmt.Sprintf("taskgen queue %q", s.name),
		Subjects:          []string{s.root + ">"},
		Retention:         jetstream.WorkQueuePolicy,
		Storage:           jetstream.FileStorage,
		Replicas:          max(s.p.replicas, 1),
		AllowDirect:       true,
		AllowRollup:       true,
		AllowMsgTTL:       true,
		AllowMsgSchedules: true,
		Metadata:          meta,
	}
	if limit > 0 {
		cfg.MaxBytes, cfg.Discard, cfg.AllowMsgSchedules = limit, jetstream.DiscardNew, false
	}
	return cfg
}

// verify returns what does not fit in an existing stream.
func (s *queueState) verify(have jetstream.StreamConfig, kind driver.QueueType) error {
	if got := have.Metadata[metaType]; got != string(kind) {
		if got == "" {
			return fmt.Errorf("%w: stream %s was not made by taskgen: choose another name or prefix", driver.ErrQueueMismatch, have.Name)
		}
		return fmt.Errorf("%w: it is of type %s on the server, and %s is asked for", driver.ErrQueueMismatch, got, kind)
	}
	var wrong []string
	bad := func(is bool, what string) {
		if is {
			wrong = append(wrong, what)
		}
	}
	bad(have.Retention != jetstream.WorkQueuePolicy, "its retention is not workqueue")
	bounded := have.Discard == jetstream.DiscardNew
	bad(!bounded && (have.MaxMsgs > 0 || have.MaxBytes > 0), "its size is limited, and what is beyond is dropped: it takes discard=new, and no schedules")
	bad(have.MaxAge > 0, "its messages have an age limit")
	bad(have.MaxMsgsPerSubject > 0, "its messages per subject are limited")
	bad(have.NoAck, "it acknowledges nothing")
	bad(have.DenyDelete || have.DenyPurge || have.Sealed, "its messages cannot be deleted")
	bad(!have.AllowDirect || !have.AllowRollup || !have.AllowMsgTTL || !have.AllowMsgSchedules && !bounded, "direct gets, rollups, TTLs or schedules are not allowed")
	bad(have.PersistMode == jetstream.AsyncPersistMode, "it acknowledges before it has written")
	bad(!slices.Contains(have.Subjects, s.root+">"), "its subjects are others")
	if len(wrong) > 0 {
		return fmt.Errorf("%w: stream %s was changed: %s: update it with the nats command line", driver.ErrQueueMismatch, have.Name, strings.Join(wrong, ", "))
	}
	return nil
}

// partitionConsumers creates the consumers of one partition: one to pull from, and one that
// counts its schedules.
func (s *queueState) partitionConsumers(ctx context.Context, partition string, visibility time.Duration) error {
	if err := s.consumer(ctx, schedConsumer(partition), visibility, s.all(placeScheduled+partition)); err != nil {
		return err
	}
	return s.consumer(ctx, readyConsumer(partition), visibility, s.all(placeReady+partition))
}

func (s *queueState) fifoConsumers(ctx context.Context, visibility time.Duration) error {
	return errors.Join(
		s.consumer(ctx, schedConsumer(defaultPartition), visibility, s.all(placeDelayed)),
		s.consumer(ctx, followersConsumer, visibility, s.all(placeFollowers)),
		s.consumer(ctx, waitingConsumer, visibility, s.all(placeWaiting)),
		s.consumer(ctx, headConsumer, visibility, s.all(placeHead), s.all(placeJoining)),
	)
}

// consumer creates a durable pull consumer if it is missing. An existing one keeps its
// ack wait, because other processes rely on it.
func (s *queueState) consumer(ctx context.Context, name string, visibility time.Duration, filters ...string) error {
	switch _, err := s.p.js.Consumer(ctx, s.names.stream, name); {
	case err == nil:
		return nil
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("consumer %s: %w", name, err)
	}
	cfg := jetstream.ConsumerConfig{
		Durable:       name,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       visibility + slack,
		MaxDeliver:    -1, // the pool counts, and records why a task died
		MaxAckPending: -1,
		MaxWaiting:    4096,
	}
	if len(filters) == 1 {
		cfg.FilterSubject = filters[0]
	} else {
		cfg.FilterSubjects = filters
	}
	_, err := s.p.js.CreateConsumer(ctx, s.names.stream, cfg)
	if errors.Is(err, jetstream.ErrConsumerExists) {
		err = nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("create consumer %s: %w", name, err)
	}
	return nil
}

// refresh finds the consumers that tasks come from. A dead letter queue gets more with
// every queue that names it.
func (s *queueState) refresh(ctx context.Context) error {
	counted, err := s.consumerNames(ctx)
	if err != nil {
		return err
	}
	var pulled []string
	for _, name := range counted {
		if strings.HasPrefix(name, readyConsumer("")) || name == headConsumer {
			pulled = append(pulled, name)
		}
	}
	if len(pulled) == 0 {
		return fmt.Errorf("stream %s has lost its consumers", s.names.stream)
	}
	slices.SortFunc(pulled, func(a, b string) int { return levelOf(b) - levelOf(a) })
	state, err := s.requester.infos(ctx, s.names.stream, pulled...)
	if err != nil {
		return err
	}
	unit := state[0].Config.AckWait
	for _, c := range state[1:] {
		if c.Config.AckWait != unit {
			unit = 0 // each delivery's lease is set individually
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulled, s.counted, s.unit = pulled, counted, unit
	return nil
}

// consumerNames lists the consumers of the stream.
func (s *queueState) consumerNames(ctx context.Context) (names []string, err error) {
	var list struct {
		Consumers []string `json:"consumers"`
		Total     int      `json:"total"`
	}
	for more := true; more; {
		list.Consumers = nil
		if err := s.requester.callAPI(ctx, "CONSUMER.NAMES."+s.names.stream, map[string]any{"offset": len(names)}, &list); err != nil {
			return nil, fmt.Errorf("list the consumers of stream %s: %w", s.names.stream, err)
		}
		names = append(names, list.Consumers...)
		more = len(list.Consumers) > 0 && len(names) < list.Total
	}
	return names, nil
}

// levelOf is the level of a consumer's partition, -1 if the partition is not a level.
func levelOf(consumer string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(consumer, readyConsumer("")))
	if err != nil {
		return -1
	}
	return n
}

// consumers returns the consumers that tasks come from, and the lease that their
// deliveries begin with, 0 if it differs.
func (s *queueState) consumers() ([]string, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pulled, s.unit
}

func (s *queueState) deadQueue() *queueState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// repair recreates consumers that were deleted.
func (s *queueState) repair(ctx context.Context, cfg driver.QueueConfig) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	return s.declareWatched(ctx, cfg)
}
