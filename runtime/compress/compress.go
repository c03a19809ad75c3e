// Package compress compresses large payloads with zstd.
//
//	c, err := compress.New(compress.Config{})
//	manager := runtime.NewManager(runtime.ManagerConfig{
//		Middleware: []runtime.EnqueueMiddleware{c.Enqueue},
//	})
//	router.Use(c.Handle)
//
// With package encrypt, compress first: a ciphertext does not get smaller. The
// manager then lists c.Enqueue before the key ring's, and the router uses the
// key ring's Handle before c.Handle.
//
// The size of a compressed payload reveals something about its content. Do not compress a
// secret together with text that an attacker can choose.
package compress

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/taskgen/taskgen/runtime"
)

// Encoding is the mark of a compressed payload in Task.Encoding.
const Encoding = "zstd"

// Defaults of a Config.
const (
	DefaultThreshold = 1 << 10
	DefaultMaxSize   = 16 << 20
)

// Config configures a Compressor. The zero value is ready to use.
type Config struct {
	// Threshold is the size in bytes from which a payload is compressed;
	// DefaultThreshold (1 KiB) when 0.
	Threshold int
	// MaxSize bounds the bytes of an inflated payload, so that a few bytes from the
	// broker cannot fill the memory; DefaultMaxSize (16 MiB) when 0. Larger payloads
	// are not compressed. MaxSize must not be lower where tasks are handled than where
	// they are enqueued.
	MaxSize int
}

// A Compressor compresses payloads at enqueue and inflates them for the handler. It is
// safe for concurrent use.
type Compressor struct {
	cfg Config
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// New returns a Compressor, or an error for a negative size.
func New(cfg Config) (*Compressor, error) {
	if cfg.Threshold < 0 || cfg.MaxSize < 0 {
		return nil, fmt.Errorf("compress: a negative size: %+v", cfg)
	}
	if cfg.Threshold == 0 {
		cfg.Threshold = DefaultThreshold
	}
	if cfg.MaxSize == 0 {
		cfg.MaxSize = DefaultMaxSize
	}
	enc, err := zstd.NewWriter(nil, zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	// A decoder with concurrency 0 takes as many concurrent calls as there are
	// processors.
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(uint64(cfg.MaxSize)))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return &Compressor{cfg: cfg, enc: enc, dec: dec}, nil
}

// Enqueue is the [runtime.EnqueueMiddleware]. It compresses plain payloads from the
// threshold up, if they are then smaller in an envelope, where compressed payloads are
// base64. All others pass unchanged.
func (c *Compressor) Enqueue(next runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		passed := make([]*runtime.Task, len(tasks))
		for i, t := range tasks {
			passed[i] = c.Deflate(t)
		}
		return next.Enqueue(ctx, passed)
	})
}

// Handle is the [runtime.Middleware]. It passes on a copy of the task with the inflated
// payload; a task that is not marked passes unchanged. Errors wrap
// [runtime.ErrInvalidTask].
func (c *Compressor) Handle(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		t, err := c.Inflate(t)
		if err != nil {
			return err
		}
		return next.Handle(ctx, t)
	})
}

// Deflate returns t, or a copy of it with the payload compressed.
func (c *Compressor) Deflate(t *runtime.Task) *runtime.Task {
	if t.Encoding != "" || len(t.Payload) < c.cfg.Threshold || len(t.Payload) > c.cfg.MaxSize {
		return t
	}
	small := c.enc.EncodeAll(t.Payload, make([]byte, 0, len(t.Payload)/2))
	const mark = len(`"","encoding":"zstd"`)
	if base64.StdEncoding.EncodedLen(len(small))+mark >= len(t.Payload) {
		return t
	}
	return t.Encoded(Encoding, small)
}

// Inflate returns t when its last encoding is not [Encoding], else a copy with
// the payload inflated. Errors wrap [runtime.ErrInvalidTask].
func (c *Compressor) Inflate(t *runtime.Task) (*runtime.Task, error) {
	if t.LastEncoding() != Encoding {
		return t, nil
	}
	payload, err := c.dec.DecodeAll(t.Payload, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, fmt.Errorf("%w: the payload of task %s (%s) inflates to more than %d bytes: raise MaxSize of compress.Config if it is to be trusted",
			runtime.ErrInvalidTask, t.ID, t.Type, c.cfg.MaxSize)
	case err != nil:
		return nil, fmt.Errorf("%w: the payload of task %s (%s) cannot be inflated: %w", runtime.ErrInvalidTask, t.ID, t.Type, err)
	}
	return t.Decoded(payload), nil
}
