package rft

// #include "shim.h"
import "C"

import (
	"context"
	"sync"
	"time"
)

// Outcome is what became of a request that succeeded.
type Outcome struct {
	// Index is the entry of a proposal or change, what a read sees at the least, or what a snapshot covers. What was
	// forwarded is applied at the leader, and at this node once its status tells this index.
	Index uint64
	// Term is the term of that entry; 0 for a read.
	Term uint64
	// Age is, of a read, how old the state may be that it sees; 0 for a linearizable one.
	Age time.Duration
	// Answer is what [StateMachine.Apply] answered at the node that was asked, or at the leader it forwarded to. It is
	// yours to keep.
	Answer []byte
}

// Result is what became of one of many.
type Result struct {
	// Outcome counts when Err is nil.
	Outcome Outcome
	// Err says why not, an [*Error] that tells whether a proposal certainly was not applied.
	Err error
}

// pending are the requests under way. Outcomes are handed over without waiting for anybody.
type pending struct {
	lock  sync.Mutex
	last  uint64
	calls map[uint64]place
	ended error
}

// call is what somebody waits for: the results of one request or of many.
type call struct {
	first   uint64 // its requests are numbered from here on
	results []Result
	open    int           // how many have no outcome yet; guarded by pending.lock
	done    chan struct{} // closed when none is open
}

type place struct {
	call *call
	at   int
}

// begin numbers n requests. Their outcomes may come before the library's call returns.
func (p *pending) begin(n int) (*call, error) {
	c := &call{results: make([]Result, n), open: n, done: make(chan struct{})}
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.ended != nil {
		return nil, p.ended
	}
	c.first = p.last + 1 // 0 wants no outcome
	p.last += uint64(n)
	for at := range n {
		p.calls[c.first+uint64(at)] = place{c, at}
	}
	return c, nil
}

// forget gives up on what is still open, if anything is: it gets `err`, and an outcome that comes all the same is
// nobody's.
func (p *pending) forget(c *call, err error) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	if c.open == 0 {
		return false
	}
	for at := range c.results {
		request := c.first + uint64(at)
		if _, open := p.calls[request]; open {
			delete(p.calls, request)
			c.results[at].Err = err
		}
	}
	return true
}

// wait waits for all outcomes, or until the context ends.
func (p *pending) wait(ctx context.Context, c *call) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		if err := cut(ctx); p.forget(c, err) {
			return err
		}
		return nil
	}
}

// settle takes outcomes that C lent.
func (p *pending) settle(outcomes []C.rft_outcome_t, h *host) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for at := range outcomes {
		from := &outcomes[at]
		to, open := p.calls[uint64(from.request)]
		if !open {
			continue
		}
		result := Result{Outcome: Outcome{
			Index: uint64(from.index), Term: uint64(from.term), Age: time.Duration(from.age_ms) * time.Millisecond,
			Answer: copied(from.answer, from.answer_len),
		}}
		if from.status != C.RFT_OK {
			// What was refused says why in the place of an answer.
			err := newError(Code(from.status), string(copied(from.answer, from.answer_len)))
			err.Leader = uint64(from.leader)
			result = Result{Err: h.explained(err)}
		}
		p.close(uint64(from.request), to, result)
	}
}

// end answers everything that is under way and to come.
func (p *pending) end(err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.ended = err
	for request, to := range p.calls {
		p.close(request, to, Result{Err: err})
	}
}

func (p *pending) close(request uint64, to place, result Result) {
	delete(p.calls, request)
	to.call.results[to.at] = result
	if to.call.open--; to.call.open == 0 {
		close(to.call.done)
	}
}

// explained adds what the state machine failed with to the error that the engine makes of it.
func (h *host) explained(err *Error) error {
	if cause := h.failure.Load(); err.Code == ErrHost && cause != nil {
		err.cause = *cause
	}
	return err
}
