package etcdhttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	dialAgainLeast = 100 * time.Millisecond
	dialAgainMost  = 2 * time.Second
)

// reader is this end of a stream that this node dials. It dials again whenever the stream is lost.
type reader struct {
	transport *Transport
	peer      uint64
	url       string // of the stream
	received  *atomic.Uint64
	frames    func(from io.Reader) decoder
}

// run reads until the context ends, from the moment on in which there is an engine to read for.
func (r *reader) run(ctx context.Context) {
	select {
	case <-r.transport.open:
	case <-ctx.Done():
	}
	wait := dialAgainLeast
	for ctx.Err() == nil {
		if r.read(ctx) {
			wait = dialAgainLeast
		} else {
			wait = min(2*wait, dialAgainMost)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// read dials, and takes what comes; false: nobody was there, or not who should be.
func (r *reader) read(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(quietMax, cancel)
	defer quiet.Stop()
	response, err := r.dial(ctx)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	frames := r.frames(bufio.NewReaderSize(&watched{response.Body, quiet}, pieceBytes))
	for ctx.Err() == nil {
		data, err := frames.next()
		if err != nil {
			break
		}
		if data == nil {
			continue
		}
		r.received.Add(1)
		if engine := r.transport.attached(); engine != nil {
			// One that is refused is lost, which raft survives: it says nothing about those behind it.
			_, _ = engine.StepFrom(r.peer, [][]byte{data})
		}
	}
	return true
}

// dial opens the stream.
func (r *reader) dial(ctx context.Context) (*http.Response, error) {
	options := &r.transport.options
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range options.Header {
		request.Header[name] = values
	}
	request.Header.Set(headerCluster, inHex(options.ClusterID))
	request.Header.Set(headerFrom, inHex(options.ID))
	request.Header.Set(headerTo, inHex(r.peer))
	response, err := r.transport.round.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("etcdhttp: node %d answers %s", r.peer, response.Status)
	} else if _, err = parseVersion(response.Header.Get(headerVersion)); err == nil {
		err = options.Receiver(response, r.peer)
	}
	if err != nil {
		_, _ = io.CopyN(io.Discard, response.Body, 4096)
		response.Body.Close()
		return nil, err
	}
	return response, nil
}

// watched is a body that is given up when nothing comes for too long.
type watched struct {
	body  io.Reader
	quiet *time.Timer
}

func (w *watched) Read(into []byte) (int, error) {
	n, err := w.body.Read(into)
	w.quiet.Reset(quietMax)
	return n, err
}
