package rft

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
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
	last  uint64           // the last block that was given
	calls map[uint64]*call // by each of its blocks
	ended error
}

// block is how many requests have one place in the table. The numbers of a call begin with a block, and no other call
// has numbers in its blocks.
const block = 64

// call is what somebody waits for: the results of one request or of many.
type call struct {
	first   uint64        // its requests are numbered from here on
	results []Result      // Err is errOpen where there is no outcome yet
	open    int           // how many have none; guarded by pending.lock
	done    chan struct{} // closed when none is open
}

var errOpen = errors.New("there is no outcome yet")

// begin numbers n requests. Their outcomes may come before the library's call returns.
func (p *pending) begin(n int) (*call, error) {
	c := &call{results: make([]Result, n), open: n, done: make(chan struct{})}
	for at := range c.results {
		c.results[at].Err = errOpen
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.ended != nil {
		return nil, p.ended
	}
	c.first = (p.last + 1) * block // 0 wants no outcome
	for at := 0; at < n; at += block {
		p.last++
		p.calls[p.last] = c
	}
	return c, nil
}

// drop takes a call out of the table.
func (p *pending) drop(c *call) {
	for at := c.first; at < c.first+uint64(len(c.results)); at += block {
		delete(p.calls, at/block)
	}
}

// forget gives up on what is still open, if anything is: it gets `err`, and an outcome that comes all the same is
// nobody's.
func (p *pending) forget(c *call, err error) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	if c.open == 0 {
		return false
	}
	p.drop(c)
	for at := range c.results {
		if c.results[at].Err == errOpen {
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
		request := uint64(from.request)
		to := p.calls[request/block]
		if to == nil {
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
		p.close(to, request, result)
	}
}

// end answers everything that is under way and to come.
func (p *pending) end(err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.ended = err
	for _, to := range p.calls {
		for at := range to.results {
			p.close(to, to.first+uint64(at), Result{Err: err})
		}
	}
}

// close gives a request its result, once.
func (p *pending) close(to *call, request uint64, result Result) {
	at := request - to.first
	if at >= uint64(len(to.results)) || to.results[at].Err != errOpen {
		return
	}
	to.results[at] = result
	if to.open--; to.open == 0 {
		p.drop(to)
		close(to.done)
	}
}

// explained adds what the state machine failed with to the error that the engine makes of it. Without a failure that has
// stopped the engine, it is the outcome of a snapshot.
func (h *host) explained(err *Error) error {
	cause := h.failure.Load()
	if cause == nil {
		cause = h.unsaved.Load()
	}
	if err.Code == ErrHost && cause != nil {
		err.cause = *cause
	}
	return err
}
