// Package rft keeps a replicated, durable log with Raft, through the C library librft.
//
// There are two layers; take one.
//
// An [Engine] owns a directory, the clock and its threads. You bring a [StateMachine] and a [Transport]:
//
//	engine, err := rft.Open(ctx, rft.Config{Dir: "data", ID: 1, Voters: []uint64{1, 2, 3}}, machine, transport)
//	outcome, err := engine.Propose(ctx, []byte("set x 1")) // committed and applied; outcome.Answer is the machine's
//	_, err = engine.Read(ctx)                              // now the machine may be read
//	err = engine.Close()
//
// A [Node] is consensus alone: no goroutine, callback, clock or file. You call it from a loop of your own, and may
// leave the files to a [Store].
//
// Package rfthttp, beside this one, has a transport over HTTP that is ready to use.
//
// # Errors
//
// Every error of the library is an [*Error], and errors.Is finds its code: errors.Is(err, rft.ErrNotLeader). For a
// proposal [ErrNotLeader], [ErrDropped], [ErrConfChange], [ErrTooLarge], [ErrDiskFull], [ErrQuorumAtRisk] and
// [ErrLearnerBehind] say that it certainly was not applied;
// [ErrTimedOut], [ErrUnknown] and [ErrStopped] that it may or may not be. A context that ends a wait gives
// ErrTimedOut, one that was over before the call ErrDropped, because nothing was asked; errors.Is finds the context's
// error as well.
//
// # Goroutines
//
// Everything may be used by any number of goroutines at once. No goroutine waits inside of C for a request: the
// outcome comes by a callback, so that ten thousand waiting proposals cost no thread.
//
// # Linking
//
// By default the library is found by pkg-config, as `make install` puts it down. With the build tag rft_static it is
// linked in from the folder lib beside this file, which `make go-static` fills.
package rft
