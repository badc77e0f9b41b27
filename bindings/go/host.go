package rft

// #include "shim.h"
import "C"

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/cgo"
	"runtime/debug"
	"sync/atomic"
)

// host is Go's side of an engine. The engine holds it by a handle until it drops it, so it must not refer to the
// Engine: one that is forgotten could not be freed.
type host struct {
	id        uint64
	machine   StateMachine
	transport Transport
	onEvent   func(Event)
	lines     chan line
	pending   pending
	waits     bool                  // whether requests wait for room
	failure   atomic.Pointer[error] // what the state machine failed with, the first time
	unsaved   atomic.Pointer[error] // what the last snapshot failed with
}

// newHost makes a host, and the goroutine that writes its log until goDrop.
func newHost(config Config, machine StateMachine, transport Transport, options options) *host {
	h := &host{
		id: config.ID, machine: machine, transport: transport, onEvent: options.onEvent, waits: config.WaitForRoom,
		lines: make(chan line, linesMax),
	}
	h.pending.calls = make(map[uint64]*call)
	logger := options.logger
	if logger == nil {
		logger = slog.Default() // for panics of the host, which must not be lost
	}
	go write(h.lines, logger.With("raft", config.ID))
	return h
}

func hostOf(handle C.uintptr_t) *host {
	h, _ := cgo.Handle(handle).Value().(*host)
	return h
}

// guard runs a part of the host that may panic: the library's threads must never see it.
func guard(body func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return body()
}

// answer is the status of a callback: what went wrong is kept for the errors to come, and written to the log.
func (h *host) answer(what string, err error) C.rft_status_t {
	if err == nil {
		return C.RFT_OK
	}
	h.failure.CompareAndSwap(nil, &err)
	h.complain(what, err)
	return C.RFT_E_HOST
}

func (h *host) complain(what string, err error) {
	if err == nil {
		return
	}
	text := fmt.Sprintf("%s: %v", what, err)
	if panicked, ok := err.(*PanicError); ok {
		text = fmt.Sprintf("%s\n%s", text, panicked.Stack)
	}
	h.log(slog.LevelError, text)
}

//export goDrop
func goDrop(handle C.uintptr_t) {
	h := hostOf(handle)
	cgo.Handle(handle).Delete()
	h.pending.end(newError(ErrStopped, ""))
	close(h.lines) // the last callback is over, and so is every use of the channel
}

//export goSend
func goSend(handle C.uintptr_t, messages *C.rft_message_t, n C.size_t) {
	h := hostOf(handle)
	if h.transport == nil {
		return
	}
	h.complain("send", guard(func() error {
		h.transport.Send(messagesOf(view(messages, n)))
		return nil
	}))
}

//export goApply
func goApply(handle C.uintptr_t, lent *C.rft_entry_t, n C.size_t) C.rft_status_t {
	h := hostOf(handle)
	entries := entriesOf(view(lent, n))
	var size int
	status := h.answer("apply", guard(func() error {
		err := h.machine.Apply(entries)
		for at := range entries {
			size += len(entries[at].Answer)
		}
		return err
	}))
	if status != C.RFT_OK || size == 0 {
		return status
	}
	answers := make([][]byte, len(entries))
	for at := range entries {
		answers[at] = entries[at].Answer
	}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	return C.rft_go_answers_set(lent, &borrowed(&pinner, answers)[0], n)
}

//export goOutcome
func goOutcome(handle C.uintptr_t, outcomes *C.rft_outcome_t, n C.size_t) {
	h := hostOf(handle)
	h.pending.settle(view(outcomes, n), h)
}

//export goEvent
func goEvent(handle C.uintptr_t, event *C.rft_event_t) {
	h := hostOf(handle)
	if h.onEvent == nil {
		return
	}
	h.complain("event", guard(func() error {
		h.onEvent(eventOf(event, h))
		return nil
	}))
}

//export goLog
func goLog(handle C.uintptr_t, level C.int32_t, text *C.char, n C.size_t) {
	hostOf(handle).log(levelOf(level), C.GoStringN(text, C.int(n)))
}
