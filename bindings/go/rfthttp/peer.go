package rfthttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// batchBytes is how much travels in one POST; a longer message travels alone.
const batchBytes = 4 << 20

// peer is a node with the messages that wait for it. One goroutine brings them there.
type peer struct {
	transport *Transport
	id        uint64
	url       string
	context   context.Context
	end       context.CancelFunc
	wake      chan struct{} // has room for one: something changed

	lock  sync.Mutex
	queue [][]byte
	bytes int
	lossy bool // something was lost since the last batch
}

func newPeer(transport *Transport, id uint64, url string) *peer {
	p := &peer{transport: transport, id: id, url: url, wake: make(chan struct{}, 1)}
	p.context, p.end = context.WithCancel(context.Background())
	return p
}

// put queues a message, or loses it.
func (p *peer) put(message rft.Message) {
	options := &p.transport.options
	size := len(message.Data)
	p.lock.Lock()
	if len(p.queue) >= options.QueueItemsMax || size > options.QueueBytesMax-p.bytes ||
		size > options.BodyBytesMax-frameHead {
		p.lossy = true
	} else {
		p.queue = append(p.queue, message.Data)
		p.bytes += size
	}
	p.lock.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take gives the messages of the next batch, none when there are none, and whether some were lost.
func (p *peer) take() ([][]byte, bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	room := min(batchBytes, p.transport.options.BodyBytesMax)
	n := 0
	for n < len(p.queue) && (n == 0 || !p.transport.options.Bare && frameHead+len(p.queue[n]) <= room) {
		room -= frameHead + len(p.queue[n])
		p.bytes -= len(p.queue[n])
		n++
	}
	batch := p.queue[:n:n]
	if p.queue = p.queue[n:]; len(p.queue) == 0 {
		p.queue = nil
	}
	lossy := p.lossy
	p.lossy = false
	return batch, lossy
}

func (p *peer) run() {
	reachable := true
	for {
		batch, lossy := p.take()
		var err error
		if len(batch) > 0 {
			err = p.post(batch)
		}
		if p.context.Err() != nil {
			return
		}
		if tell := p.transport.options.OnPeer; tell != nil && len(batch) > 0 && (err == nil) != reachable {
			tell(p.id, p.url, err)
		}
		if len(batch) > 0 {
			reachable = err == nil
		}
		lossy = lossy || err != nil
		if lossy {
			p.transport.report(p.id)
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-p.wake:
		case <-p.context.Done():
			return
		}
	}
}

// post sends a batch: one message bare, many in frames.
func (p *peer) post(batch [][]byte) error {
	options := &p.transport.options
	ctx, cancel := context.WithTimeout(p.context, options.Timeout)
	defer cancel()
	kind, body := typeMessage, batch[0]
	if len(batch) > 1 {
		kind, body = typeFrames, nil
		for _, message := range batch {
			body = appendFrame(body, message)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range options.Header {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set(headerCluster, strconv.FormatUint(options.ClusterID, 16))
	request.Header.Set(headerFrom, strconv.FormatUint(options.ID, 16))
	response, err := options.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4096)) // read to the end, a connection can be used again
	if response.StatusCode != http.StatusNoContent {
		why, _, _ := strings.Cut(string(text), "\n")
		return fmt.Errorf("rfthttp: node %d answers %s: %.200q", p.id, response.Status, why)
	}
	return nil
}
