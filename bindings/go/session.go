package rft

// #include "shim.h"
import "C"

import "context"

// OpenSession opens a session and gives its id. A command that is proposed again in it, because its outcome was not
// known, is applied once: number the commands of a session from 1 on, and propose one again under its number until that
// succeeds, at this node or another. The cluster keeps the 4096 sessions that were used last.
func (e *Engine) OpenSession(ctx context.Context) (uint64, error) {
	outcome, err := e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_session_open(engine, request, object)
	})
	return outcome.Index, err
}

// CloseSession closes a session. ErrSession: there is none.
func (e *Engine) CloseSession(ctx context.Context, session uint64) error {
	_, err := e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_session_close(engine, C.uint64_t(session), request, object)
	})
	return err
}

// ProposeOnce proposes a command of a session and waits until it is applied. Its number is at least 1, higher than any
// before, or that of the last command again: then it has the outcome of the one that was applied. ErrSession: the
// session is closed or has gone on.
func (e *Engine) ProposeOnce(ctx context.Context, session, sequence uint64, data []byte) (Outcome, error) {
	return e.request(ctx, func(engine *C.rft_engine_t, request C.uint64_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_propose_once(engine, C.uint64_t(session), C.uint64_t(sequence), first(data),
			C.size_t(len(data)), request, object)
	})
}
