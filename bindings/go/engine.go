package rft

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/cgo"
	"sync"
	"time"
)

// stopTimeout is how long Close waits for callbacks and the disk.
const stopTimeout = 30 * time.Second

// Engine is a node with its directory, clock and threads. Close it. One that is forgotten instead is freed some time
// after nothing refers to it any more.
type Engine struct {
	host    *host
	handle  C.uintptr_t     // of the host, as callbacks know it
	lock    sync.RWMutex    // held by calls for reading, so that nobody frees what they use
	engine  *C.rft_engine_t // nil when closed
	closed  chan struct{}   // closed when the engine is freed
	cleanup runtime.Cleanup
}

// Option is something an engine can do without.
type Option func(*options)

type options struct {
	logger  *slog.Logger
	onEvent func(Event)
}

// WithLogger has the engine's log lines written to a logger. A logger that is slow loses lines and holds up nothing.
// Without one only panics of callbacks are written, to slog.Default().
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) { o.logger = logger }
}

// WithEvents has a function called with what happens at the engine, in the order of Apply and Restore and on their
// thread: applying waits for it. A panic in it is logged.
func WithEvents(handle func(Event)) Option {
	return func(o *options) { o.onEvent = handle }
}

// Open opens a node in the config's directory, restores the state machine and starts to work. A directory without a
// history gets one that starts with the config's voters; without voters the node waits for a leader to add it.
//
// The transport may be nil: then all messages are lost, which a cluster of one node does not notice. A context that
// ends gives its error at once, and what was opened until then is closed again.
func Open(ctx context.Context, config Config, machine StateMachine, transport Transport, opts ...Option) (*Engine, error) {
	if ctx == nil || machine == nil {
		return nil, newError(ErrInvalidArg, "the context or the state machine is nil")
	}
	if err := ctx.Err(); err != nil {
		return nil, cut(ctx)
	}
	var chosen options
	for _, option := range opts {
		if option != nil {
			option(&chosen)
		}
	}
	type opened struct {
		engine *Engine
		err    error
	}
	ready := make(chan opened, 1)
	go func() {
		engine, err := open(config, machine, transport, chosen)
		ready <- opened{engine, err}
	}()
	select {
	case got := <-ready:
		return got.engine, got.err
	case <-ctx.Done():
		go func() {
			if late := <-ready; late.engine != nil {
				_ = late.engine.Close()
			}
		}()
		return nil, cut(ctx)
	}
}

// cut is the error of a wait that its context ended.
func cut(ctx context.Context) *Error {
	return over(ctx, newError(ErrTimedOut, ""))
}

// over gives an error its context's as the cause.
func over(ctx context.Context, err *Error) *Error {
	err.cause = context.Cause(ctx)
	if own := ctx.Err(); !errors.Is(err.cause, own) {
		err.cause = fmt.Errorf("%w: %w", own, err.cause)
	}
	return err
}

func open(config Config, machine StateMachine, transport Transport, chosen options) (*Engine, error) {
	built, err := config.build()
	if err != nil {
		return nil, err
	}
	defer C.rft_config_free(built)
	var log C.uint8_t
	if chosen.logger != nil {
		log = 1
	}
	e := &Engine{host: newHost(config, machine, transport, chosen), closed: make(chan struct{})}
	e.handle = C.uintptr_t(cgo.NewHandle(e.host)) // goDrop deletes it, also when opening fails
	var object *C.rft_error_t
	var engine *C.rft_engine_t
	status := C.rft_go_engine_open(built, text(config.Dir), C.size_t(len(config.Dir)), e.handle, log, &engine, &object)
	if err := failure(status, object); err != nil {
		return nil, e.explained(err)
	}
	e.engine = engine
	e.cleanup = runtime.AddCleanup(e, func(engine *C.rft_engine_t) { go C.rft_engine_free(engine) }, engine)
	if attacher, wants := transport.(Attacher); wants {
		attacher.Attach(e)
	}
	return e, nil
}

func (e *Engine) explained(err error) error {
	var known *Error
	if errors.As(err, &known) {
		return e.host.explained(known)
	}
	return err
}

// call runs one call on the engine, or answers for an engine that is closed.
func (e *Engine) call(body func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t) error {
	if e == nil {
		return errClosed
	}
	e.lock.RLock()
	defer e.lock.RUnlock()
	if e.engine == nil {
		return errClosed
	}
	var object *C.rft_error_t
	status := body(e.engine, &object)
	if status == C.RFT_OK {
		return nil
	}
	return e.explained(failure(status, object))
}

// Step takes a message from a peer. Any error but those of a failed or stopped engine means only that this message was
// dropped, which raft survives.
func (e *Engine) Step(message []byte) error {
	return e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_step(engine, first(message), C.size_t(len(message)), object)
	})
}

// StepMany takes several messages, in order, and stops at the first that is refused. It says how many were taken.
func (e *Engine) StepMany(messages [][]byte) (int, error) {
	return e.stepAll(messages, func(engine *C.rft_engine_t, array []C.rft_bytes_t, done *C.size_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_step_many(engine, &array[0], C.size_t(len(array)), done, object)
	})
}

// StepFrom is StepMany for messages that one peer has brought: one that names another sender is refused, so that whoever
// was let in as one node cannot speak for the others.
func (e *Engine) StepFrom(peer uint64, messages [][]byte) (int, error) {
	return e.stepAll(messages, func(engine *C.rft_engine_t, array []C.rft_bytes_t, done *C.size_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_step_from(engine, C.uint64_t(peer), &array[0], C.size_t(len(array)), done, object)
	})
}

func (e *Engine) stepAll(messages [][]byte, step func(*C.rft_engine_t, []C.rft_bytes_t, *C.size_t, **C.rft_error_t) C.rft_status_t) (int, error) {
	var done C.size_t
	err := e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		array := borrowed(&pinner, messages)
		if len(array) == 0 {
			return C.RFT_OK
		}
		return step(engine, array, &done, object)
	})
	return int(done), err
}

// ReportUnreachable tells the engine that a message to a peer could not be delivered. Optional.
func (e *Engine) ReportUnreachable(id uint64) error {
	return e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_report_unreachable(engine, C.uint64_t(id), object)
	})
}

// Campaign asks for votes now, instead of waiting for the election timeout.
func (e *Engine) Campaign() error {
	return e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_campaign(engine, object)
	})
}

// Status tells how the node stands, at most a turn of its driver ago. It works after a failure, until Close.
func (e *Engine) Status() (Status, error) {
	var out C.rft_node_status_t
	err := e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_status(engine, &out, object)
	})
	if err != nil {
		return Status{}, err
	}
	status := statusOf(&out)
	if status.Failure != nil {
		status.Failure = e.explained(status.Failure)
	}
	return status, nil
}

// Members tells who is a member, by ascending id. It works after a failure, until Close.
func (e *Engine) Members() ([]Member, error) {
	return members(func(out *C.rft_member_t, room C.size_t, count *C.size_t) error {
		return e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
			return C.rft_engine_members(engine, out, room, count, object)
		})
	})
}

// MemberBytes are the bytes of a member, the context of the change that added or updated it; empty where it has none. It
// works after a failure, until Close.
func (e *Engine) MemberBytes(id uint64) ([]byte, error) {
	return e.told(func(engine *C.rft_engine_t, out *C.uint8_t, room C.size_t, n *C.size_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_member_bytes(engine, C.uint64_t(id), out, room, n, object)
	})
}

// Close stops the engine and frees it. Every request under way ends with ErrStopped. A second call waits for the first
// and does nothing. From inside a callback it is ErrReentrant and nothing is done. A callback that does not return
// within half a minute gives ErrTimedOut: the engine then ends with it.
func (e *Engine) Close() error {
	var known *Error
	err := e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_stop(engine, C.uint32_t(stopTimeout.Milliseconds()), object)
	})
	if errors.As(err, &known) && known.Code == ErrReentrant {
		return err
	}
	if e == nil || e.closed == nil {
		return nil
	}
	engine := e.take()
	if engine == nil {
		<-e.closed
		return nil
	}
	e.host.pending.end(newError(ErrStopped, ""))
	if err != nil {
		// It would wait for the callback once more.
		go e.free(engine)
		return err
	}
	e.free(engine)
	return nil
}

// take leaves the engine closed to all calls. Nobody is inside of one when it returns.
func (e *Engine) take() *C.rft_engine_t {
	e.lock.Lock()
	defer e.lock.Unlock()
	engine := e.engine
	e.engine = nil
	return engine
}

func (e *Engine) free(engine *C.rft_engine_t) {
	e.cleanup.Stop()
	C.rft_engine_free(engine)
	close(e.closed)
}
