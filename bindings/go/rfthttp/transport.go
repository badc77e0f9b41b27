package rfthttp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"weak"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// Options say how a transport is to be. A field that is left zero has its default.
type Options struct {
	// ID is the node's own. No default.
	ID uint64
	// ClusterID is the config's. Default 1.
	ClusterID uint64
	// Peers are the URLs of the other nodes, without the path: "http://host:port".
	Peers map[uint64]string
	// TLS is what the default client shows and whom it trusts, see [LoadTLS]; Peers are https then. It also sets Sender.
	TLS *tls.Config
	// Sender says, with an error, that a request does not come from the node that its headers name: that is answered with
	// 403, before a byte of the body is read. Default [SenderByName] with TLS, and to believe the headers without.
	Sender func(request *http.Request, from uint64) error
	// Client sends. The default one asks no proxy, and connects within a second.
	Client *http.Client
	// Header is sent with every request.
	Header http.Header
	// Bare has each message travel in a POST of its own, as etcd's nodes take them.
	Bare bool
	// Timeout limits one POST. Default 5 seconds.
	Timeout time.Duration
	// ReadTimeout limits the reading of one that comes in. Default 10 seconds.
	ReadTimeout time.Duration
	// BodyBytesMax limits what one POST may bring, and so what one may send. Default 64 MiB.
	BodyBytesMax int
	// QueueItemsMax and QueueBytesMax limit the messages that wait for a peer; more are lost. Default 4096 and 64 MiB.
	QueueItemsMax, QueueBytesMax int
	// OnPeer is told when a peer stops taking messages, with the reason, and with nil when it takes them again. It is
	// called on the goroutine that sends there, which it holds up. Optional.
	OnPeer func(id uint64, url string, err error)
}

// Transport is an [rft.Transport] and the [http.Handler] for what peers send. Any goroutine may use it.
type Transport struct {
	options Options
	report  func(id uint64) // that messages to a node are lost; the engine's, but in tests

	lock   sync.Mutex
	peers  map[uint64]*peer
	engine weak.Pointer[rft.Engine] // a transport does not keep an engine that everybody else forgot
	closed bool
	work   sync.WaitGroup
}

// New makes a transport. Close it after the engine.
func New(options Options) (*Transport, error) {
	if options.ID == 0 {
		return nil, errors.New("rfthttp: ID is not set")
	}
	if options.Timeout < 0 || options.ReadTimeout < 0 || options.BodyBytesMax < 0 || options.QueueItemsMax < 0 || options.QueueBytesMax < 0 {
		return nil, errors.New("rfthttp: a limit is negative")
	}
	orElse(&options.ClusterID, 1)
	orElse(&options.Timeout, 5*time.Second)
	orElse(&options.ReadTimeout, 10*time.Second)
	orElse(&options.BodyBytesMax, 64<<20)
	orElse(&options.QueueItemsMax, 4096)
	orElse(&options.QueueBytesMax, 64<<20)
	if options.Sender == nil {
		options.Sender = func(*http.Request, uint64) error { return nil }
		if options.TLS != nil {
			options.Sender = SenderByName
		}
	}
	if options.Client == nil {
		options.Client = NewClient(options.TLS)
	}
	t := &Transport{options: options, peers: make(map[uint64]*peer)}
	t.report = func(id uint64) {
		if engine := t.attached(); engine != nil {
			_ = engine.ReportUnreachable(id) // an engine that is closed needs no report
		}
	}
	for id, url := range options.Peers {
		if err := t.SetPeer(id, url); err != nil {
			t.Close()
			return nil, err
		}
	}
	return t, nil
}

// NewClient makes the client that a transport has by default. It asks no proxy, follows nowhere, connects within a second,
// and speaks HTTP/1.1.
func NewClient(config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			TLSClientConfig:     config.Clone(),
			TLSHandshakeTimeout: 2 * time.Second,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     time.Minute,
		},
		// A peer that points elsewhere is not one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Options are those in force, with the defaults filled in.
func (t *Transport) Options() Options { return t.options }

// SetPeer tells where a node is, a new one or one that moved.
func (t *Transport) SetPeer(id uint64, base string) error {
	parsed, err := url.Parse(base)
	if err != nil || id == 0 || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return fmt.Errorf("rfthttp: node %d at %q: an id and an http URL are needed", id, base)
	}
	address := strings.TrimRight(base, "/") + "/raft"
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.closed {
		return errors.New("rfthttp: the transport is closed")
	}
	if known := t.peers[id]; known != nil {
		if known.url == address {
			return nil
		}
		known.end()
	}
	p := newPeer(t, id, address)
	t.peers[id] = p
	t.work.Add(1)
	go func() {
		defer t.work.Done()
		p.run()
	}()
	return nil
}

// RemovePeer forgets a node, and what waits for it.
func (t *Transport) RemovePeer(id uint64) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if known := t.peers[id]; known != nil {
		known.end()
		delete(t.peers, id)
	}
}

// Attach is for [rft.Open].
func (t *Transport) Attach(engine *rft.Engine) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.engine = weak.Make(engine)
}

func (t *Transport) attached() *rft.Engine {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.engine.Value()
}

// Send queues messages. Those to unknown nodes, and those that a queue has no room for, are lost.
func (t *Transport) Send(messages []rft.Message) {
	t.lock.Lock()
	defer t.lock.Unlock()
	for _, message := range messages {
		if to := t.peers[message.To]; to != nil {
			to.put(message)
		}
	}
}

// Close ends what is under way and waits for it. A second call does nothing.
func (t *Transport) Close() error {
	t.lock.Lock()
	t.closed = true
	for _, peer := range t.peers {
		peer.end()
	}
	clear(t.peers)
	t.lock.Unlock()
	t.work.Wait()
	t.options.Client.CloseIdleConnections()
	return nil
}
