package etcdhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp"
)

// Options say how a transport is to be. What is left zero has its default.
type Options struct {
	// Options are those of the pipeline; the client, the limits and the rules hold for the streams as well. Sender is
	// asked about those that peers dial.
	rfthttp.Options
	// Receiver says, with an error, that the node that was dialled for a stream is not this one: nothing is read from it.
	// Default: with TLS the name in its certificate, see [rfthttp.SpeaksFor]; without, to believe the address.
	Receiver func(response *http.Response, id uint64) error
	// URLs are where this node answers. Peers of etcd's make that they can answer one whom they do not know yet. Optional.
	URLs []string
}

// Counts are what has gone over the streams, without their own heartbeats.
type Counts struct {
	// MsgAppSent and MessageSent are messages written to the streams that peers have dialled.
	MsgAppSent, MessageSent uint64
	// MsgAppReceived and MessageReceived are messages from the streams that this node has dialled.
	MsgAppReceived, MessageReceived uint64
	// ShortReceived are those of MsgAppReceived that came in the short form.
	ShortReceived uint64
}

// Transport is an [rft.Transport], and the [http.Handler] for /raft and what lies below. Any goroutine may use it.
type Transport struct {
	options  Options
	pipeline *rfthttp.Transport
	round    http.RoundTripper

	lock   sync.Mutex
	peers  map[uint64]*peer
	engine weak.Pointer[rft.Engine]
	open   chan struct{} // closed when there is an engine
	closed bool
	work   sync.WaitGroup
	ended  context.Context // when the transport is closed
	end    context.CancelFunc

	appSent, messageSent, appReceived, messageReceived, shortReceived atomic.Uint64
}

// peer is a node with its streams, both ways.
type peer struct {
	url          string
	apps, others *writer
	end          context.CancelFunc
}

// New makes a transport. Close it after the engine, and before its server.
func New(options Options) (*Transport, error) {
	header := options.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set(headerVersion, serverVersion)
	header.Set(headerMinCluster, minCluster)
	if len(options.URLs) > 0 {
		header.Set(headerURLs, strings.Join(options.URLs, ","))
	}
	options.Header, options.Bare = header, true
	peers := options.Peers
	options.Peers = nil
	if options.Client == nil {
		options.Client = rfthttp.NewClient(options.TLS)
	}
	pipeline, err := rfthttp.New(options.Options)
	if err != nil {
		return nil, err
	}
	options.Options = pipeline.Options()
	if options.Receiver == nil {
		options.Receiver = func(response *http.Response, id uint64) error {
			if options.TLS == nil {
				return nil
			}
			return rfthttp.SpeaksFor(response.TLS, id)
		}
	}
	t := &Transport{
		options: options, pipeline: pipeline, round: options.Client.Transport, peers: make(map[uint64]*peer),
		open: make(chan struct{}),
	}
	if t.round == nil {
		t.round = http.DefaultTransport
	}
	t.ended, t.end = context.WithCancel(context.Background())
	for id, url := range peers {
		if err := t.SetPeer(id, url); err != nil {
			t.Close()
			return nil, err
		}
	}
	return t, nil
}

// SetPeer tells where a node is, a new one or one that moved.
func (t *Transport) SetPeer(id uint64, base string) error {
	if err := t.pipeline.SetPeer(id, base); err != nil {
		return err
	}
	base = strings.TrimRight(base, "/")
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.closed {
		return errors.New("etcdhttp: the transport is closed")
	}
	known := t.peers[id]
	if known != nil && known.url == base {
		return nil
	}
	p := &peer{url: base, apps: newWriter(t, id, &t.appSent), others: newWriter(t, id, &t.messageSent)}
	if known != nil {
		known.end()
		p.apps, p.others = known.apps, known.others // the peer has dialled, wherever it is
	}
	t.peers[id] = p
	var ctx context.Context
	ctx, p.end = context.WithCancel(t.ended)
	most := uint64(t.options.BodyBytesMax)
	t.read(ctx, &reader{t, id, base + pathMsgApp + inHex(t.options.ID), &t.appReceived, func(from io.Reader) decoder {
		return &appDecoder{from: from, most: most, local: t.options.ID, remote: id, short: &t.shortReceived}
	}})
	t.read(ctx, &reader{t, id, base + pathMessage + inHex(t.options.ID), &t.messageReceived, func(from io.Reader) decoder {
		return &messageDecoder{from, most}
	}})
	return nil
}

func (t *Transport) read(ctx context.Context, r *reader) {
	t.work.Add(1)
	go func() {
		defer t.work.Done()
		r.run(ctx)
	}()
}

// RemovePeer forgets a node, and what waits for it.
func (t *Transport) RemovePeer(id uint64) {
	t.pipeline.RemovePeer(id)
	t.lock.Lock()
	defer t.lock.Unlock()
	if known := t.peers[id]; known != nil {
		known.end()
		known.apps.attach(nil)
		known.others.attach(nil)
		delete(t.peers, id)
	}
}

// Attach is for [rft.Open].
func (t *Transport) Attach(engine *rft.Engine) {
	t.pipeline.Attach(engine)
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.engine == (weak.Pointer[rft.Engine]{}) {
		close(t.open)
	}
	t.engine = weak.Make(engine)
}

func (t *Transport) attached() *rft.Engine {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.engine.Value()
}

func (t *Transport) peer(id uint64) *peer {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.peers[id]
}

// Send queues messages, each for the way that it takes in etcd. Those to unknown nodes, and those that a queue has no
// room for, are lost.
func (t *Transport) Send(messages []rft.Message) {
	for at, message := range messages {
		to := t.peer(message.To)
		switch {
		case to == nil:
		case message.Type == msgApp && to.apps.put(message.Data):
		case message.Type != msgSnap && to.others.put(message.Data):
		default:
			t.pipeline.Send(messages[at : at+1])
		}
	}
}

// lost tells the engine that a peer has missed something.
func (t *Transport) lost(peer uint64) {
	if engine := t.attached(); engine != nil {
		_ = engine.ReportUnreachable(peer) // an engine that is closed needs no report
	}
}

// Counts tells how much the streams are used.
func (t *Transport) Counts() Counts {
	return Counts{
		t.appSent.Load(), t.messageSent.Load(), t.appReceived.Load(), t.messageReceived.Load(), t.shortReceived.Load(),
	}
}

// Close ends what is under way and waits for it. A second call does nothing.
func (t *Transport) Close() error {
	t.lock.Lock()
	t.closed = true
	t.end()
	clear(t.peers)
	t.lock.Unlock()
	t.work.Wait()
	return t.pipeline.Close()
}
