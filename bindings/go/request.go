package rft

// #include "shim.h"
//
// #cgo noescape rft_go_engine_propose
// #cgo noescape rft_go_engine_propose_one
// #cgo nocallback rft_go_inside
import "C"

import (
	"context"
	"errors"
	"math"
	"runtime"
	"time"
)

// roomMost is how long a request that waits for room does so before it asks again.
const roomMost = 20 * time.Millisecond

// patient makes requests until they are not refused for want of room. It tells whoever has no time for that at once.
func (e *Engine) patient(ctx context.Context, ask func() error) error {
	for wait := time.Millisecond; ; wait = min(2*wait, roomMost) {
		err := ask()
		if !errors.Is(err, ErrBusy) || !e.host.waits {
			return err
		}
		pause := wait
		if end, ends := ctx.Deadline(); ends && time.Until(end) <= 2*wait {
			pause = time.Until(end) + time.Second // too little is left to hear of another try that nothing was taken
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err // which says, unlike the context, that nothing was taken
		}
	}
}

// request makes one request and waits for its outcome.
func (e *Engine) request(ctx context.Context,
	ask func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t) (outcome Outcome, err error) {
	err = e.patient(ctx, func() error {
		outcome, err = e.once(ctx, ask)
		return err
	})
	return outcome, err
}

func (e *Engine) once(ctx context.Context,
	ask func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t) (Outcome, error) {
	call, err := e.begin(ctx, 1)
	if err != nil {
		return Outcome{}, err
	}
	err = e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		return ask(engine, C.uint64_t(call.first), object)
	})
	if err != nil {
		e.host.pending.forget(call, err)
		return Outcome{}, err
	}
	defer runtime.KeepAlive(e) // as long as somebody waits, the engine is not forgotten
	if err := e.host.pending.wait(ctx, call); err != nil {
		return Outcome{}, err
	}
	return call.results[0].Outcome, call.results[0].Err
}

func (e *Engine) begin(ctx context.Context, n int) (*call, error) {
	if ctx == nil {
		return nil, newError(ErrInvalidArg, "the context is nil")
	}
	if e == nil || e.host == nil {
		return nil, errClosed
	}
	if ctx.Err() != nil {
		return nil, over(ctx, newError(ErrDropped, "the context was over before anything was asked"))
	}
	if C.rft_go_inside() == e.handle {
		return nil, newError(ErrReentrant, "")
	}
	return e.host.pending.begin(n)
}

// Propose proposes an entry and waits until it is committed and applied. At a follower it goes to the leader. An empty
// one has an outcome, and does not come to Apply.
func (e *Engine) Propose(ctx context.Context, data []byte) (Outcome, error) {
	return e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return proposed(C.rft_go_engine_propose_one(engine, first(data), C.size_t(len(data)), request), object)
	})
}

func proposed(out C.rft_go_proposed_t, object **C.rft_error_t) C.rft_status_t {
	*object = out.error
	return out.status
}

// ProposeMany proposes entries, all of them or none, in this order, and waits until each has its outcome. The error is
// not nil when they were refused all together, or when the context ended; then those results that came are there.
func (e *Engine) ProposeMany(ctx context.Context, payloads [][]byte) ([]Result, error) {
	var results []Result
	err := e.patient(ctx, func() error {
		var err error
		results, err = e.proposeMany(ctx, payloads)
		return err
	})
	return results, err
}

func (e *Engine) proposeMany(ctx context.Context, payloads [][]byte) ([]Result, error) {
	call, err := e.begin(ctx, len(payloads))
	if err != nil || len(payloads) == 0 {
		return nil, err
	}
	err = e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		many := pack(payloads)
		defer many.free()
		return proposed(C.rft_go_engine_propose(engine, first(many.data), &many.lens[0], C.size_t(len(many.lens)),
			C.uint64_t(call.first)), object)
	})
	if err != nil {
		e.host.pending.forget(call, err)
		return nil, err
	}
	defer runtime.KeepAlive(e)
	err = e.host.pending.wait(ctx, call)
	return call.results, err
}

// Read waits until the state machine may be read: then it holds all that was acknowledged anywhere before this call. It
// gives an index that the state machine has applied.
func (e *Engine) Read(ctx context.Context) (uint64, error) {
	outcome, err := e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_read(engine, request, object)
	})
	return outcome.Index, err
}

// ReadWithin waits until the state machine may be read at this age, or a younger one, which the outcome tells. Where the
// node knows its state to be that young it answers by itself; otherwise this is Read, as it is for an age below a
// millisecond.
func (e *Engine) ReadWithin(ctx context.Context, age time.Duration) (Outcome, error) {
	milliseconds := min(max(age.Milliseconds(), 0), math.MaxUint32)
	return e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_read_within(engine, C.uint32_t(milliseconds), request, object)
	})
}

// Snapshot has a snapshot taken now, and waits until it is durable and the log before it is dropped. It gives the last
// entry the snapshot covers. That there is none stops nothing, unless the error is fatal: then the disk has failed.
func (e *Engine) Snapshot(ctx context.Context) (uint64, error) {
	outcome, err := e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_snapshot(engine, request, object)
	})
	var known *Error
	if errors.As(err, &known) && known.fatal && known.Code != ErrStopped {
		// The outcome alone does not tell whether only the snapshot has failed.
		if status, failed := e.Status(); failed == nil && status.Failure == nil {
			known.fatal = false
		}
	}
	return outcome.Index, err
}

// TransferLeader has the leader, this node or another, hand its leadership to a voter, and waits until it has: the outcome
// tells the term. It ends within two election timeouts. ErrDropped: another node leads, Error.Leader; ErrTimedOut: the old
// leader goes on as far as is known here, and the other may still take over; ErrNotLeader: no leader is known;
// ErrInvalidArg: there is no such voter.
func (e *Engine) TransferLeader(ctx context.Context, to uint64) (Outcome, error) {
	return e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_transfer_leader(engine, C.uint64_t(to), request, object)
	})
}

// Change proposes a membership change and waits until it is in force at the leader; at a follower it may be in force a
// moment later, once its status tells the index of the outcome as applied. ErrConfChange: another one is pending, or this
// one does not fit; ErrQuorumAtRisk and ErrLearnerBehind: it would be made only if it was forced.
func (e *Engine) Change(ctx context.Context, change Change) (Outcome, error) {
	return e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_change(engine, change.steps(), C.size_t(len(change.Steps)), change.transition(),
			first(change.Context), C.size_t(len(change.Context)), request, object)
	})
}

// Replace puts the node newMember in the place of the member oldMember, and waits until that is in force: the newcomer,
// whose engine is open without voters, becomes a learner with these bytes, catches up, and votes from the moment on in
// which the old one leaves. With 0 for the old one it is added, or promoted where it is a learner. It has the time
// `within`, after which the error is that of the last step. After a change of leaders, a crash or an error the same call,
// here or at any other node, goes on from where the membership stands.
func (e *Engine) Replace(ctx context.Context, oldMember, newMember uint64, bytes []byte, within time.Duration) (Outcome, error) {
	// Rounded up, so that what is less than a millisecond does not become no time at all.
	milliseconds := min(max(within+time.Millisecond-1, within, 0).Milliseconds(), math.MaxUint32)
	return e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_replace(engine, C.uint64_t(oldMember), C.uint64_t(newMember), first(bytes), C.size_t(len(bytes)),
			C.uint32_t(milliseconds), request, object)
	})
}

// AddLearner adds a member that receives the log and does not vote. Every node's state machine gets the context.
func (e *Engine) AddLearner(ctx context.Context, id uint64, data []byte) (Outcome, error) {
	return e.one(ctx, ChangeAddLearner, id, data)
}

// AddVoter adds a member that votes. A newcomer is better added as a learner first, and promoted when it has caught up.
func (e *Engine) AddVoter(ctx context.Context, id uint64, data []byte) (Outcome, error) {
	return e.one(ctx, ChangeAddVoter, id, data)
}

// Promote makes a learner a voter that has caught up; Replace without an old member waits until it has.
func (e *Engine) Promote(ctx context.Context, id uint64, data []byte) (Outcome, error) {
	return e.one(ctx, ChangeAddVoter, id, data)
}

// Remove removes a member.
func (e *Engine) Remove(ctx context.Context, id uint64, data []byte) (Outcome, error) {
	return e.one(ctx, ChangeRemove, id, data)
}

func (e *Engine) one(ctx context.Context, kind ChangeType, id uint64, data []byte) (Outcome, error) {
	return e.Change(ctx, Change{Steps: []ChangeStep{{Type: kind, ID: id}}, Context: data})
}
