package rfthttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
	"github.com/raft-ffi/raft-ffi/bindings/go/internal/kit"
)

const patience = kit.Patience

var (
	must  = kit.Must
	until = kit.Until
)

// node is an engine behind a server of its own.
type node struct {
	server    *httptest.Server
	transport *Transport
	engine    *rft.Engine
}

// serve opens node 1 of a cluster of so many voters, alone for now.
func serve(t *testing.T, id uint64, voters ...uint64) *node {
	return serveTLS(t, nil, id, voters...)
}

func serveTLS(t *testing.T, config *tls.Config, id uint64, voters ...uint64) *node {
	transport, err := New(Options{ID: id, TLS: config, Timeout: 2 * time.Second, BodyBytesMax: 4 << 20})
	must(t, err)
	n := &node{transport: transport}
	mux := http.NewServeMux()
	mux.Handle("/raft", transport)
	n.server = httptest.NewUnstartedServer(mux)
	n.server.Config = NewServer(mux, config)
	n.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if config == nil {
		n.server.Start()
	} else {
		n.server.TLS = n.server.Config.TLSConfig
		n.server.StartTLS()
	}
	n.engine, err = rft.Open(context.Background(), rft.Config{
		Dir: t.TempDir(), ID: id, Voters: voters, TickInterval: 50 * time.Millisecond,
	}, &kit.Counter{}, transport)
	must(t, err)
	t.Cleanup(n.close)
	return n
}

func (n *node) close() {
	_ = n.engine.Close()
	_ = n.transport.Close()
	n.server.Close()
}

func TestThreeNodesAgree(t *testing.T) {
	threeAgree(t, func(uint64) *tls.Config { return nil })
}

func threeAgree(t *testing.T, config func(id uint64) *tls.Config) {
	before := runtime.NumGoroutine()
	nodes := make(map[uint64]*node)
	for id := uint64(1); id <= 3; id++ {
		nodes[id] = serveTLS(t, config(id), id, 1, 2, 3)
	}
	for id, one := range nodes {
		for other, at := range nodes {
			if id != other {
				must(t, one.transport.SetPeer(other, at.server.URL+"/"))
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var leader uint64
	until(t, "a leader", func() bool {
		status, err := nodes[1].engine.Status()
		must(t, err)
		leader = status.Leader
		_, err = nodes[1].engine.Read(ctx)
		return err == nil && leader != 0
	})
	follower := nodes[leader%3+1]
	payload := bytes.Repeat([]byte{'x'}, 100<<10)
	for at := 1; at <= 20; at++ {
		outcome, err := follower.engine.Propose(ctx, payload)
		if err != nil || string(outcome.Answer) != fmt.Sprint(at*len(payload)) {
			t.Fatalf("%d: %q, %v", at, outcome.Answer, err)
		}
	}
	nodes[leader].close()
	until(t, "the other two agree", func() bool {
		return second(follower.engine.Read(ctx)) == nil
	})
	for _, one := range nodes {
		one.close()
	}
	until(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func second[T any](_ T, err error) error { return err }

func TestHandlerRefuses(t *testing.T) {
	n := serve(t, 1, 1, 2, 3)
	heartbeat := []byte{0x08, 8, 0x10, 1, 0x18, 2, 0x20, 1}
	stranger := []byte{0x08, 4, 0x10, 1, 0x18, 9, 0x20, 1}
	forged := []byte{0x08, 8, 0x10, 1, 0x18, 3, 0x20, 1}
	elsewhere := []byte{0x08, 8, 0x10, 2, 0x18, 2, 0x20, 1}
	frames := func(messages ...[]byte) []byte {
		var body []byte
		for _, message := range messages {
			body = appendFrame(body, message)
		}
		return body
	}
	for _, try := range []struct {
		what, method, cluster, from, kind string
		body                              []byte
		want                              int
	}{
		{"one", "POST", "1", "2", typeMessage, heartbeat, 204},
		{"many", "POST", "1", "2", typeFrames, frames(heartbeat, heartbeat), 204},
		{"none", "POST", "1", "2", typeFrames, nil, 204},
		{"a stranger", "POST", "1", "9", typeFrames, frames(stranger, stranger), 204},
		{"another's message", "POST", "1", "2", typeMessage, forged, 400},
		{"another's message among them", "POST", "1", "2", typeFrames, frames(heartbeat, forged, heartbeat), 400},
		{"no POST", "GET", "1", "2", typeMessage, nil, 405},
		{"no cluster", "POST", "", "2", typeMessage, heartbeat, 412},
		{"another cluster", "POST", "2", "2", typeMessage, heartbeat, 412},
		{"a cluster in words", "POST", "one", "2", typeMessage, heartbeat, 412},
		{"no sender", "POST", "1", "", typeMessage, heartbeat, 400},
		{"itself", "POST", "1", "1", typeMessage, heartbeat, 400},
		{"zero", "POST", "1", "0", typeMessage, heartbeat, 400},
		{"a sender too large", "POST", "1", "10000000000000000", typeMessage, heartbeat, 400},
		{"no body", "POST", "1", "2", typeMessage, nil, 400},
		{"noise", "POST", "1", "2", typeMessage, []byte("\x3a\x7f"), 400},
		{"for another node", "POST", "1", "2", typeMessage, elsewhere, 400},
		{"half a frame head", "POST", "1", "2", typeFrames, []byte{0, 0}, 400},
		{"half a frame", "POST", "1", "2", typeFrames, frames(heartbeat)[:10], 400},
		{"a lying frame", "POST", "1", "2", typeFrames, bytes.Repeat([]byte{0xff}, 16), 400},
		{"too long", "POST", "1", "2", typeMessage, make([]byte, 5<<20), 413},
	} {
		request, err := http.NewRequest(try.method, n.server.URL+"/raft", bytes.NewReader(try.body))
		must(t, err)
		request.Header.Set(headerCluster, try.cluster)
		request.Header.Set(headerFrom, try.from)
		request.Header.Set("Content-Type", try.kind)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Errorf("%s: %v", try.what, err)
			continue
		}
		if response.StatusCode != try.want {
			text, _ := io.ReadAll(response.Body)
			t.Errorf("%s: %s: %s", try.what, response.Status, text)
		}
		response.Body.Close()
	}
	status, err := n.engine.Status()
	if err != nil || status.Failure != nil {
		t.Error(status, err)
	}
}

// Bodies whose length is not told, and those that never end, have limits too.
func TestHandlerLimitsLengthAndTime(t *testing.T) {
	n := serve(t, 1, 1, 2)
	n.transport.options.ReadTimeout = 100 * time.Millisecond
	send := func(head, body string) string {
		conn, err := net.Dial("tcp", n.server.Listener.Addr().String())
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = io.WriteString(conn, "POST /raft HTTP/1.1\r\nHost: x\r\nX-Etcd-Cluster-ID: 1\r\nX-Server-From: 2\r\n"+head+"\r\n\r\n"+body)
		must(t, err)
		answer, err := io.ReadAll(io.LimitReader(conn, 12))
		must(t, err)
		return string(answer)
	}
	if answer := send("Content-Length: 100", "slow"); !strings.HasSuffix(answer, "408") {
		t.Error("slow:", answer)
	}
	endless := strings.Repeat("100000\r\n"+strings.Repeat("x", 1<<20)+"\r\n", 5)
	n.transport.options.ReadTimeout = patience
	if answer := send("Transfer-Encoding: chunked", endless); !strings.HasSuffix(answer, "413") {
		t.Error("endless:", answer)
	}
}

// A client that opens connections and closes none must not take every file that the log needs.
func TestConnectionsHaveALimit(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	if NewServer(nil, nil).ConnState == nil {
		t.Error("a server without a limit")
	}
	server.Config.ConnState = atMost(2)
	server.Start()
	defer server.Close()
	answers := func() (net.Conn, bool) {
		connection, err := net.Dial("tcp", server.Listener.Addr().String())
		must(t, err)
		t.Cleanup(func() { connection.Close() })
		must(t, connection.SetDeadline(time.Now().Add(patience)))
		_, _ = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		n, _ := connection.Read(make([]byte, 1))
		return connection, n == 1
	}
	first, ok := answers()
	if _, second := answers(); !ok || !second {
		t.Error("one of the first two was refused")
	}
	if _, third := answers(); third {
		t.Error("one too many was answered")
	}
	must(t, first.Close())
	until(t, "room again", func() bool { _, ok := answers(); return ok })
}

func TestHandlerWithoutEngine(t *testing.T) {
	transport, err := New(Options{ID: 1})
	must(t, err)
	defer transport.Close()
	request := httptest.NewRequest("POST", "/raft", strings.NewReader("x"))
	request.Header.Set(headerCluster, "1")
	request.Header.Set(headerFrom, "2")
	answer := httptest.NewRecorder()
	transport.ServeHTTP(answer, request)
	if answer.Code != http.StatusServiceUnavailable {
		t.Error(answer.Code)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, options := range []Options{
		{}, {ID: 1, Timeout: -1}, {ID: 1, ReadTimeout: -1}, {ID: 1, QueueItemsMax: -1}, {ID: 1, Peers: map[uint64]string{2: "two:80"}},
		{ID: 1, Peers: map[uint64]string{2: "file:///x"}}, {ID: 1, Peers: map[uint64]string{0: "http://x"}},
	} {
		if _, err := New(options); err == nil {
			t.Errorf("%+v was taken", options)
		}
	}
}

// A peer that does not answer costs no memory beyond the queue, is reported, and gets what comes later.
func TestPeerThatIsAway(t *testing.T) {
	var lock sync.Mutex
	var got [][]byte
	blocked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, request *http.Request) {
		<-blocked
		body, err := io.ReadAll(request.Body)
		messages := [][]byte{body}
		if request.Header.Get("Content-Type") == typeFrames {
			messages, err = splitFrames(body)
		}
		lock.Lock()
		defer lock.Unlock()
		if err == nil {
			got = append(got, messages...)
		}
		to.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	transport, err := New(Options{ID: 1, QueueItemsMax: 10, QueueBytesMax: 100, Peers: map[uint64]string{2: server.URL}})
	must(t, err)
	var reported atomic.Bool
	transport.report = func(id uint64) {
		if id != 2 {
			t.Errorf("node %d was reported", id)
		}
		reported.Store(true)
	}
	for at := range 50 {
		transport.Send([]rft.Message{{To: 2, Data: []byte{byte(at)}}, {To: 3, Data: []byte("to nobody")}})
	}
	transport.Send([]rft.Message{{To: 2, Data: make([]byte, 101)}})
	close(blocked)
	until(t, "what was queued", func() bool {
		transport.Send([]rft.Message{{To: 2, Data: []byte("later")}})
		lock.Lock()
		defer lock.Unlock()
		return len(got) > 0 && string(got[len(got)-1]) == "later"
	})
	until(t, "a report", reported.Load)
	lock.Lock()
	// What was on its way, and a queue behind it, whenever that began; in order.
	kept := 0
	for at, message := range got {
		if string(message) == "later" {
			continue
		}
		if kept++; at > 0 && message[0] <= got[at-1][0] {
			t.Errorf("%v behind %v", message, got[at-1])
		}
	}
	if kept < 10 || kept > 20 {
		t.Errorf("%d of 50 were kept", kept)
	}
	lock.Unlock()
	transport.RemovePeer(2)
	must(t, transport.Close())
	must(t, transport.Close())
	if err := transport.SetPeer(2, server.URL); err == nil {
		t.Error("a closed transport took a peer")
	}
	if _, err := splitFrames([]byte{1}); !errors.Is(err, errFrames) {
		t.Error(err)
	}
}

// A transport does not keep an engine alive.
func TestTransportForgets(t *testing.T) {
	transport, err := New(Options{ID: 1})
	must(t, err)
	defer transport.Close()
	dir := t.TempDir()
	func() {
		_, err := rft.Open(context.Background(), rft.Config{Dir: dir, ID: 1, Voters: []uint64{1}}, &kit.Counter{}, transport)
		must(t, err)
	}()
	until(t, "it is gone", func() bool { runtime.GC(); return transport.attached() == nil })
}
