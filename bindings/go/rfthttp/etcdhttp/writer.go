package etcdhttp

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	heartbeatEvery = 5 * time.Second / 3
	quietMax       = 5 * time.Second // a stream is given up after so long without a byte, or for one
	writeBytes     = 256 << 10       // how much is gathered before it is written
)

// writer is this end of a stream that a peer has dialled. What waits for it is lost when the stream is.
type writer struct {
	transport *Transport
	peer      uint64
	sent      *atomic.Uint64

	lock  sync.Mutex
	wake  chan struct{} // has room for one: something changed
	live  *stream       // nil: nobody has dialled
	queue [][]byte
	bytes int
	lossy bool // something was lost since the last batch
}

func newWriter(transport *Transport, peer uint64, sent *atomic.Uint64) *writer {
	return &writer{transport: transport, peer: peer, sent: sent, wake: make(chan struct{}, 1)}
}

// put queues a message, or loses it; false: nobody has dialled.
func (w *writer) put(data []byte) bool {
	options := &w.transport.options
	w.lock.Lock()
	if w.live == nil {
		w.lock.Unlock()
		return false
	}
	if len(w.queue) >= options.QueueItemsMax || len(data) > options.QueueBytesMax-w.bytes {
		w.lossy = true
	} else {
		w.queue = append(w.queue, data)
		w.bytes += len(data)
	}
	w.lock.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return true
}

// take gives what is to be written, and whether some of it was lost.
func (w *writer) take() ([][]byte, bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	queue, lossy := w.queue, w.lossy
	w.queue, w.bytes, w.lossy = nil, 0, false
	return queue, lossy
}

// stream is one that a peer holds open.
type stream struct{ end context.CancelFunc }

// attach has a stream, or none, take the place of the one before, which ends.
func (w *writer) attach(s *stream) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.live != nil {
		w.live.end()
	}
	w.live = s
}

// detach loses what waits for a stream, if it is still the one in use.
func (w *writer) detach(s *stream) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.live == s {
		w.live, w.queue, w.bytes = nil, nil, 0
	}
}

// serve writes to a stream until either end has had enough.
func (w *writer) serve(ctx context.Context, to http.ResponseWriter, frames encoder) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	own := &stream{end}
	w.attach(own)
	defer w.detach(own)
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	out := &output{to: to, control: http.NewResponseController(to)}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			out.bytes = frames.appendHeartbeat(out.bytes)
			if out.flush() != nil {
				return
			}
		case <-w.wake:
			queue, lossy := w.take()
			err := w.write(queue, out, frames)
			if lossy || err != nil {
				w.transport.lost(w.peer)
			}
			if err != nil {
				return
			}
		}
	}
}

func (w *writer) write(queue [][]byte, out *output, frames encoder) error {
	for _, data := range queue {
		var err error
		if out.bytes, err = frames.append(out.bytes, data); err != nil {
			return err
		}
		if len(out.bytes) > writeBytes {
			if err := out.flush(); err != nil {
				return err
			}
		}
		w.sent.Add(1)
	}
	return out.flush()
}

// output gathers what is to be written.
type output struct {
	to      http.ResponseWriter
	control *http.ResponseController
	bytes   []byte
}

func (o *output) flush() error {
	// Not every server can set a deadline; one that cannot has limits of its own.
	_ = o.control.SetWriteDeadline(time.Now().Add(quietMax))
	_, err := o.to.Write(o.bytes)
	if o.bytes = o.bytes[:0]; cap(o.bytes) > 4*writeBytes {
		o.bytes = nil // one long message is no reason to keep as much
	}
	return errors.Join(err, o.control.Flush())
}
