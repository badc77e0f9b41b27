package rft

import "io"

// StateMachine is what the log is for. Its methods are never called at the same time. They run on the engine's thread
// that applies: they may take their time, and a panic in one is contained; runtime.Goexit is not. While they run, calls
// of the engine that wait for a request would wait for themselves, and are ErrReentrant; what another goroutine asks for
// them is not noticed.
type StateMachine interface {
	// Apply applies entries, in order, each exactly once between two calls of Restore. Entries without payload are left
	// out; a membership change comes with its context. Set Answer of an entry to answer the one who proposed it. The
	// slice is lent, what lies in it is yours. An error or a panic stops the engine with ErrHost.
	Apply(entries []Entry) error
	// Snapshot writes the state machine, as of the last Apply. An error or a panic: no snapshot this time. Neither it nor
	// Restore may use the stream on another goroutine, or after it returned.
	Snapshot(to io.Writer) error
	// Restore replaces the whole state machine with what it reads. It is called during Open when there is a snapshot,
	// and when a leader sends one. An error or a panic stops the engine with ErrHost.
	Restore(from io.Reader) error
}

// Viewer is a [StateMachine] that can hand out what it is, so that applying goes on while a snapshot is written.
type Viewer interface {
	// View is called after the last Apply that the snapshot holds, on the thread that applies: it should be quick. It
	// returns what writes the state as of now, on a thread of its own and at the same time as further calls of Apply:
	// from a copy, or from a view that they do not touch. Nil without an error has Snapshot called instead; an error or a
	// panic: no snapshot this time.
	View() (func(to io.Writer) error, error)
}

// Transport brings messages to the Step of their receivers' engines.
type Transport interface {
	// Send must not block, because heartbeats wait behind it. It may lose messages. A panic loses them, and is logged.
	Send(messages []Message)
}

// Attacher is a Transport that wants to know its engine, to hand it what peers send. It should keep it by a weak
// pointer, so that an engine that is forgotten can be freed.
type Attacher interface {
	// Attach is called once, by Open, before it returns.
	Attach(engine *Engine)
}
