package rft

// #include "shim.h"
import "C"

// Counter is what an engine counts since it was opened.
type Counter int32

const (
	// CounterProposals are entries that this node appended as a leader for requests.
	CounterProposals = Counter(C.RFT_COUNTER_PROPOSALS)
	// CounterForwarded are requests that it sent on to the leader.
	CounterForwarded = Counter(C.RFT_COUNTER_FORWARDED)
	// CounterBusy are requests that were refused because a queue was full.
	CounterBusy = Counter(C.RFT_COUNTER_BUSY)
	// CounterReads are reads that were answered.
	CounterReads = Counter(C.RFT_COUNTER_READS)
	// CounterApplied are entries that the state machine has applied.
	CounterApplied = Counter(C.RFT_COUNTER_APPLIED)
	// CounterAppliedBytes are their payload.
	CounterAppliedBytes = Counter(C.RFT_COUNTER_APPLIED_BYTES)
	// CounterSent are messages given to the transport.
	CounterSent = Counter(C.RFT_COUNTER_SENT)
	// CounterReceived are messages from peers that were accepted.
	CounterReceived = Counter(C.RFT_COUNTER_RECEIVED)
	// CounterElected are the times that this node won an election.
	CounterElected = Counter(C.RFT_COUNTER_ELECTED)
	// CounterWrites are writes to the log, each of one batch.
	CounterWrites = Counter(C.RFT_COUNTER_WRITES)
	// CounterSnapshotsSaved are snapshots of the own state machine that became durable.
	CounterSnapshotsSaved = Counter(C.RFT_COUNTER_SNAPSHOTS_SAVED)
	// CounterSnapshotsRestored are snapshots of a leader that took its place.
	CounterSnapshotsRestored = Counter(C.RFT_COUNTER_SNAPSHOTS_RESTORED)
	// CounterPauses are the times that nothing of the engine ran for more than half an election timeout.
	CounterPauses = Counter(C.RFT_COUNTER_PAUSES)
)

// Counter tells one of the counts. It works after a failure, until Close.
func (e *Engine) Counter(counter Counter) (uint64, error) {
	var out C.uint64_t
	err := e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_counter(engine, C.int32_t(counter), &out, object)
	})
	return uint64(out), err
}

// Metrics are counters, times and state in the text format of Prometheus, version 0.0.4. It works after a failure, until
// Close.
func (e *Engine) Metrics() ([]byte, error) {
	return e.told(func(engine *C.rft_engine_t, out *C.uint8_t, room C.size_t, n *C.size_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_metrics(engine, out, room, n, object)
	})
}

// StatusJSON is the node's state, its members, counters and times as one JSON object. It works after a failure, until
// Close.
func (e *Engine) StatusJSON() ([]byte, error) {
	return e.told(func(engine *C.rft_engine_t, out *C.uint8_t, room C.size_t, n *C.size_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_engine_status_json(engine, out, room, n, object)
	})
}

// told asks for a text until there was room for all of it.
func (e *Engine) told(ask func(engine *C.rft_engine_t, out *C.uint8_t, room C.size_t, n *C.size_t,
	object **C.rft_error_t) C.rft_status_t) ([]byte, error) {
	text := make([]byte, 16<<10)
	for {
		var n C.size_t
		err := e.call(func(engine *C.rft_engine_t, object **C.rft_error_t) C.rft_status_t {
			return ask(engine, first(text), C.size_t(len(text)), &n, object)
		})
		if err != nil {
			return nil, err
		}
		if int(n) <= len(text) {
			return text[:int(n)], nil
		}
		text = make([]byte, int(n)+1024) // it may have grown when it is asked for again
	}
}
