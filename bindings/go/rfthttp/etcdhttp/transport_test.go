package etcdhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
	"github.com/raft-ffi/raft-ffi/bindings/go/internal/kit"
	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp"
)

const patience = kit.Patience

var (
	must  = kit.Must
	until = kit.Until
)

type node struct {
	server    *httptest.Server
	transport *Transport
	engine    *rft.Engine
}

// serve starts a server with the transport of a node, without an engine.
func serve(t *testing.T, id uint64) *node {
	transport, err := New(Options{Options: rfthttp.Options{ID: id}})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle("/raft", transport)
	mux.Handle("/raft/", transport)
	n := &node{transport: transport, server: httptest.NewUnstartedServer(mux)}
	n.server.Config = rfthttp.NewServer(mux, nil)
	n.server.Config.ReadTimeout, n.server.Config.WriteTimeout = time.Second, time.Second // streams live longer
	n.server.Start()
	t.Cleanup(n.close)
	return n
}

func (n *node) open(t *testing.T, voters ...uint64) {
	var err error
	n.engine, err = rft.Open(context.Background(), rft.Config{
		Dir: t.TempDir(), ID: n.transport.options.ID, Voters: voters, TickInterval: 50 * time.Millisecond,
	}, &kit.Counter{}, n.transport)
	must(t, err)
}

func (n *node) close() {
	if n.engine != nil {
		_ = n.engine.Close()
	}
	_ = n.transport.Close()
	n.server.Close()
}

// All but the pipeline's first messages goes over streams, which outlive the limits of requests; when they end, so does
// everything that belongs to them.
func TestThreeNodesAgreeByStreams(t *testing.T) {
	before := runtime.NumGoroutine()
	var nodes []*node
	for id := range uint64(3) {
		nodes = append(nodes, serve(t, id+1))
	}
	for at, one := range nodes {
		for other, peer := range nodes {
			if at != other {
				must(t, one.transport.SetPeer(uint64(other+1), peer.server.URL+"/"))
			}
		}
		one.open(t, 1, 2, 3)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	until(t, "a leader", func() bool {
		_, err := nodes[0].engine.Read(ctx)
		return err == nil
	})
	began := time.Now()
	last := 0
	for written := 0; written < 100 || time.Since(began) < 3*time.Second; { // longer than the server lets a request take
		outcome, err := nodes[written%3].engine.Propose(ctx, make([]byte, 1000))
		must(t, ctx.Err())
		if err != nil {
			continue // an election, on a machine that has much to do
		}
		written++
		var answer int
		if _, err := fmt.Sscan(string(outcome.Answer), &answer); err != nil || answer <= last {
			t.Fatalf("%q behind %d: %v", outcome.Answer, last, err)
		}
		last = answer
	}
	var all Counts
	for _, n := range nodes {
		counts := n.transport.Counts()
		all.MsgAppSent += counts.MsgAppSent
		all.MessageSent += counts.MessageSent
		all.MsgAppReceived += counts.MsgAppReceived
		all.MessageReceived += counts.MessageReceived
	}
	if all.MsgAppSent < 100 || all.MessageSent < 100 || all.MsgAppReceived < 100 || all.MessageReceived < 100 {
		t.Errorf("%+v", all)
	}
	for _, n := range nodes {
		n.close()
	}
	until(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestHandlerRefuses(t *testing.T) {
	n := serve(t, 1)
	must(t, n.transport.SetPeer(2, "http://127.0.0.1:9"))
	n.open(t, 1, 2, 3)
	heartbeat := "\x08\x08\x10\x01\x18\x02\x20\x01"
	for _, try := range []struct {
		what, method, path, cluster, version, least, to, body string
		want                                                  int
	}{
		{"a message", "POST", "/raft", "1", "3.6.0", "3.0.0", "", heartbeat, 204},
		{"a message of rfthttp's", "POST", "/raft", "1", "", "", "", heartbeat, 204},
		{"another's message", "POST", "/raft", "1", "3.6.0", "3.0.0", "", "\x08\x08\x10\x01\x18\x03\x20\x01", 400},
		{"another cluster", "POST", "/raft", "2", "3.6.0", "3.0.0", "", heartbeat, 412},
		{"an older make", "POST", "/raft", "1", "2.3.0", "2.3.0", "", heartbeat, 412},
		{"a version in words", "POST", "/raft", "1", "three", "3.0.0", "", heartbeat, 412},
		{"no POST", "PUT", "/raft", "1", "3.6.0", "3.0.0", "", "", 405},
		{"nowhere", "GET", "/raft/nowhere", "1", "3.6.0", "3.0.0", "1", "", 404},
		{"a database", "POST", "/raft/snapshot", "1", "3.6.0", "3.0.0", "", "x", 404},
		{"no GET", "POST", "/raft/stream/message/2", "1", "3.6.0", "3.0.0", "1", "", 405},
		{"a stranger", "GET", "/raft/stream/message/3", "1", "3.6.0", "3.0.0", "1", "", 404},
		{"in words", "GET", "/raft/stream/msgapp/two", "1", "3.6.0", "3.0.0", "1", "", 404},
		{"another kind", "GET", "/raft/stream/other/2", "1", "3.6.0", "3.0.0", "1", "", 404},
		{"for another node", "GET", "/raft/stream/msgapp/2", "1", "3.6.0", "3.0.0", "3", "", 412},
		{"of another cluster", "GET", "/raft/stream/msgapp/2", "2", "3.6.0", "3.0.0", "1", "", 412},
		{"without a version", "GET", "/raft/stream/msgapp/2", "1", "", "", "1", "", 412},
		{"of tomorrow", "GET", "/raft/stream/msgapp/2", "1", "4.0.0", "4.0.0", "1", "", 412},
		{"a good stream", "GET", "/raft/stream/msgapp/2", "1", "3.7.0", "3.0.0", "1", "", 200},
	} {
		request, err := http.NewRequest(try.method, n.server.URL+try.path, strings.NewReader(try.body))
		must(t, err)
		for name, value := range map[string]string{
			headerCluster: try.cluster, headerFrom: "2", headerVersion: try.version, headerMinCluster: try.least, headerTo: try.to,
		} {
			if value != "" {
				request.Header.Set(name, value)
			}
		}
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		if response.StatusCode != try.want {
			t.Errorf("%s: %s", try.what, response.Status)
		}
		if try.want != 404 && try.want != 405 && response.Header.Get(headerCluster) != "1" {
			t.Errorf("%s: the answer names no cluster", try.what)
		}
		response.Body.Close()
	}
	response, err := http.Get(n.server.URL + "/raft/probing")
	must(t, err)
	defer response.Body.Close()
	var health struct {
		OK  bool
		Now time.Time
	}
	if err := json.NewDecoder(response.Body).Decode(&health); err != nil || !health.OK || time.Since(health.Now) > patience {
		t.Error(health, err)
	}
}

// A stream tells by heartbeats that it is alive, is held by one dialler at a time, and loses what waits when it ends.
func TestStreamsAreHeldOnce(t *testing.T) {
	n := serve(t, 1)
	must(t, n.transport.SetPeer(2, "http://127.0.0.1:9"))
	dial := func() *http.Response {
		request, err := http.NewRequest("GET", n.server.URL+"/raft/stream/message/2", nil)
		must(t, err)
		request.Header = http.Header{
			headerCluster: {"1"}, headerFrom: {"2"}, headerVersion: {"3.6.0"}, headerMinCluster: {"3.0.0"}, headerTo: {"1"},
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		must(t, err)
		return response
	}
	first := dial()
	frames := messageDecoder{first.Body, 1 << 20}
	if data, err := frames.next(); data != nil || err != nil {
		t.Error("no heartbeat:", data, err)
	}
	second := dial()
	if _, err := io.ReadAll(first.Body); err != nil {
		t.Error("the first stream did not end well:", err)
	}
	n.transport.Send([]rft.Message{{To: 2, Type: 4, Data: []byte("\x08\x04\x18\x01")}, {To: 3, Type: 4}})
	frames = messageDecoder{second.Body, 1 << 20}
	if data, err := frames.next(); string(data) != "\x08\x04\x18\x01" || err != nil {
		t.Error(data, err)
	}
	n.transport.RemovePeer(2)
	if _, err := io.ReadAll(second.Body); err != nil {
		t.Error(err)
	}
	if got := n.transport.Counts(); got != (Counts{MessageSent: 1}) {
		t.Error(got)
	}
	must(t, n.transport.Close())
	must(t, n.transport.Close())
	if err := n.transport.SetPeer(2, "http://127.0.0.1:9"); err == nil {
		t.Error("a closed transport took a peer")
	}
}

// Both ends of a stream are asked who they are before anything is read from it.
func TestWhoHoldsAStreamIsChecked(t *testing.T) {
	refuse := errors.New("not this one")
	held, asked := make(chan bool, 100), make(chan bool, 100)
	server := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) {
		to.Header().Set(headerVersion, serverVersion)
		to.WriteHeader(http.StatusOK)
		_, _ = to.Write(messageEncoder{}.appendHeartbeat(nil))
		held <- true
	}))
	defer server.Close()
	transport, err := New(Options{
		Options: rfthttp.Options{
			ID: 1, Peers: map[uint64]string{2: server.URL}, Sender: func(*http.Request, uint64) error { return refuse },
		},
		Receiver: func(response *http.Response, id uint64) error {
			asked <- id == 2 && response.StatusCode == http.StatusOK
			return refuse
		},
	})
	must(t, err)
	defer transport.Close()
	engine, err := rft.Open(context.Background(), rft.Config{Dir: t.TempDir(), ID: 1, Voters: []uint64{1, 2}}, &kit.Counter{}, transport)
	must(t, err)
	defer engine.Close()
	if <-held; !<-asked {
		t.Error("asked about something else")
	}
	request := httptest.NewRequest("GET", "/raft/stream/msgapp/2", nil)
	request.Header = http.Header{headerCluster: {"1"}, headerVersion: {"3.6.0"}, headerMinCluster: {"3.0.0"}, headerTo: {"1"}}
	answer := httptest.NewRecorder()
	transport.ServeHTTP(answer, request)
	if counts := transport.Counts(); answer.Code != http.StatusForbidden || counts != (Counts{}) {
		t.Error(answer.Code, counts)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, options := range []rfthttp.Options{{}, {ID: 1, Timeout: -1}, {ID: 1, Peers: map[uint64]string{2: "two:80"}}} {
		if _, err := New(Options{Options: options}); err == nil {
			t.Errorf("%+v was taken", options)
		}
	}
}
