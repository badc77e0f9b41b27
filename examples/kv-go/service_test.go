package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const patience = 30 * time.Second

// running is a node that answers.
type running struct {
	*node
	server  *server
	address string
}

// freeAddress is one that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func start(t *testing.T, id int, cluster []string, more ...string) *running {
	t.Helper()
	args := append([]string{"--id", fmt.Sprint(id), "--cluster", strings.Join(cluster, ","), "--tick-ms", "50",
		"--segment-bytes", "1048576", "--dir", filepath.Join(t.TempDir(), "data")}, more...)
	o, err := parseOptions(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	n, err := openNode(o, newLogger(io.Discard, false))
	if err != nil {
		t.Fatal(err)
	}
	r := &running{node: n, server: newServer(n), address: o.cluster.address(o.id)}
	if err := r.server.listen(r.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	r.node.close()
	r.server.close()
}

// startCluster starts nodes 1 to size.
func startCluster(t *testing.T, size int, more ...string) []*running {
	var cluster []string
	for id := 1; id <= size; id++ {
		cluster = append(cluster, fmt.Sprintf("%d=%s", id, freeAddress(t)))
	}
	var nodes []*running
	for id := 1; id <= size; id++ {
		nodes = append(nodes, start(t, id, cluster, more...))
	}
	return nodes
}

// ask makes one request, headers in pairs, and follows no redirect.
func (r *running) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, "http://"+r.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(headers); at += 2 {
		request.Header.Add(headers[at], headers[at+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// certain asks again while the answer is 503: nothing was done then, as when a busy machine costs a leader its office.
// A read may be asked again as well when nobody can tell.
func (r *running) certain(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		response, text := r.ask(t, method, path, body, headers...)
		again := response.StatusCode == http.StatusServiceUnavailable ||
			method == http.MethodGet && response.StatusCode == http.StatusGatewayTimeout
		if !again || time.Now().After(deadline) {
			return response, text
		}
	}
}

// want has one request answered and looks at its status; it gives the entity tag.
func (r *running) want(t *testing.T, status int, method, path, body string, headers ...string) string {
	t.Helper()
	response, text := r.certain(t, method, path, body, headers...)
	if response.StatusCode != status {
		t.Fatalf("%s %s %q %q: %s: %s", method, path, body, headers, response.Status, text)
	}
	return response.Header.Get("ETag")
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for: %s", what)
		}
	}
}

// leading waits for a leader that all of these know, and that takes requests through each.
func leading(t *testing.T, nodes []*running) uint64 {
	t.Helper()
	var leader uint64
	until(t, "a leader", func() bool {
		leader = 0
		for _, r := range nodes {
			response, _ := r.ask(t, "GET", "/kv/none", "")
			now, err := r.engine.Status()
			agrees := err == nil && now.Leader != 0 && (leader == 0 || now.Leader == leader)
			if !agrees || response.StatusCode != http.StatusNotFound {
				return false
			}
			leader = now.Leader
		}
		return true
	})
	return leader
}

func TestConditionalWrites(t *testing.T) {
	nodes := startCluster(t, 3)
	leader := leading(t, nodes)
	for _, n := range []*running{nodes[leader-1], nodes[leader%3]} { // at the leader, and through a follower
		key := fmt.Sprintf("/kv/%d", n.options.id)
		n.want(t, 412, "PUT", key, "a", "If-Match", `"3"`)
		first := n.want(t, 204, "PUT", key, "a", "If-None-Match", "*")
		if got := n.want(t, 412, "PUT", key, "b", "If-None-Match", "*"); got != first || first == "" {
			t.Errorf("%s, %s", got, first)
		}
		second := n.want(t, 204, "PUT", key, "b", "If-Match", first)
		if got := n.want(t, 412, "DELETE", key, "", "If-Match", first); got != second || first == second {
			t.Errorf("%s, %s", got, second)
		}
		for _, path := range []string{key, key + "?stale=1"} {
			if response, text := n.certain(t, "GET", path, ""); text != "b" || response.Header.Get("ETag") != second {
				t.Error(response, text)
			}
		}
		n.want(t, 204, "DELETE", key, "", "If-Match", second)
		if got := n.want(t, 412, "PUT", key, "c", "If-Match", second); got != "" {
			t.Error(got)
		}
		for _, bad := range []string{`3`, `W/"3"`, `"x"`, `"0"`, `"03"`, `*`, `"3", "4"`, `"18446744073709551616"`, `""`, ``} {
			n.want(t, 400, "PUT", key, "a", "If-Match", bad)
		}
		n.want(t, 400, "PUT", key, "a", "If-None-Match", `"3"`)
		n.want(t, 400, "DELETE", key, "", "If-None-Match", "*")
		n.want(t, 400, "PUT", key, "a", "If-Match", `"3"`, "If-None-Match", "*")
		n.want(t, 400, "PUT", key, "a", "If-Match", `"3"`, "If-Match", `"3"`)
	}
}

func TestMembersAsAList(t *testing.T) {
	nodes := startCluster(t, 3)
	leading(t, nodes)
	list := func(ids ...int) string {
		var text []string
		for _, id := range ids {
			text = append(text, fmt.Sprintf("%d=%s", id, nodes[id-1].address))
		}
		return strings.Join(text, "\n") + "\n"
	}
	for _, bad := range []string{"", "\n", "1", "1=a:1\n1=a:1", "learner 1=a:1", "add 1=a:1", "0=a:1", "1=a:1,2=b:2", "1="} {
		nodes[0].want(t, 400, "PUT", "/members", bad)
	}
	nodes[1].want(t, 204, "PUT", "/members", list(1, 2, 3))

	var cluster []string
	for id, n := range nodes {
		cluster = append(cluster, fmt.Sprintf("%d=%s", id+1, n.address))
	}
	cluster = append(cluster, "4="+freeAddress(t), "5="+freeAddress(t))
	nodes = append(nodes, start(t, 4, cluster, "--join"), start(t, 5, cluster, "--join"))
	// Two come, one goes, another votes no more: one joint change, asked of any node.
	heard(t, nodes[1], list(1, 2, 4)+"learner "+list(5))
	members := func() string {
		var out report
		if _, text := nodes[3].ask(t, "GET", "/status", ""); json.Unmarshal([]byte(text), &out) != nil {
			t.Fatal(text)
		}
		var text []string
		for _, m := range out.Members {
			text = append(text, fmt.Sprint(m.ID, m.Address == nodes[m.ID-1].address, m.Flags))
		}
		return strings.Join(text, " ")
	}
	until(t, "the newcomer knows", func() bool { return members() == "1 true [voter] 2 true [voter] 4 true [voter] 5 true [learner]" })
	nodes[0].want(t, 204, "PUT", "/kv/a", "1")
	nodes[3].want(t, 200, "GET", "/kv/a", "")

	// A learner that moves keeps its seat; nothing but the book changes.
	nodes[4].address = "127.0.0.1:9"
	heard(t, nodes[3], list(1, 2, 4)+"learner "+list(5))
	if got := nodes[3].machine.members().address(5); got != "127.0.0.1:9" {
		t.Error(got)
	}
	// Whom nobody has heard of can be no part of the quorum.
	nodes[4].stop()
	heard(t, nodes[0], list(1, 2, 4))
	lone := freeAddress(t)
	nodes[0].want(t, 409, "PUT", "/members", list(1)+"8="+lone+"\n9="+lone)
	// A follower hears of it a moment later.
	until(t, "the three are left", func() bool { return members() == "1 true [voter] 2 true [voter] 4 true [voter]" })
}

// heard has the members be these. On a busy machine one can be silent for so long that this is refused at first.
func heard(t *testing.T, through *running, list string) {
	t.Helper()
	until(t, "the members are heard of", func() bool {
		response, text := through.certain(t, "PUT", "/members", list)
		if response.StatusCode == http.StatusConflict && strings.Contains(text, "RFT_E_QUORUM_AT_RISK") {
			return false
		}
		if response.StatusCode != http.StatusNoContent {
			t.Fatalf("%q: %s: %s", list, response.Status, text)
		}
		return true
	})
}

// A client that sends a byte now and then is cut off, and one that sends too much gets a clean answer.
func TestSlowAndBigClients(t *testing.T) {
	n := startCluster(t, 1)[0]
	leading(t, []*running{n})
	n.server.close()
	n.server = newServer(n.node)
	n.server.http.ReadTimeout = 200 * time.Millisecond
	if err := n.server.listen(n.address); err != nil {
		t.Fatal(err)
	}
	for _, head := range []string{"GET /status HTTP/1.1\r\nX: ", "PUT /kv/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"} {
		conn, err := net.Dial("tcp", n.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = io.WriteString(conn, head)
		for err == nil {
			time.Sleep(20 * time.Millisecond)
			_, err = io.WriteString(conn, "x") // until the server has closed
		}
		if strings.Contains(err.Error(), "timeout") {
			t.Error(head, err)
		}
		conn.Close()
	}
	n.want(t, 404, "GET", "/kv/slow", "")
	n.want(t, 413, "GET", "/kv/slow", "body")
	n.want(t, 413, "POST", "/members", strings.Repeat("x", smallBodyMax+1))
	// An answer that does not depend on the body does not wait for it.
	n = startCluster(t, 1)[0]
	began := time.Now()
	long := strings.Repeat("x", 2*n.server.http.MaxHeaderBytes)
	for head, want := range map[string]int{
		"PUT /kv/a HTTP/1.1\r\nX: " + long: 431, "POST /kv/a HTTP/1.1": 405, "PUT /nothing HTTP/1.1": 404, "GET /kv/a HTTP/1.1": 413,
		"POST /raft HTTP/1.1\r\nX-Etcd-Cluster-ID: 2": 412,
	} {
		conn, err := net.Dial("tcp", n.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, head+"\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%.30s: %v, %v", head, answer, err)
		}
	}
	if time.Since(began) > n.server.http.ReadTimeout {
		t.Error("it waited for a body")
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Run("plain", func(t *testing.T) { comeAndGo(t) })
	t.Run("rafthttp", func(t *testing.T) { comeAndGo(t, "--rafthttp") })
}

func comeAndGo(t *testing.T, more ...string) {
	before := runtime.NumGoroutine()
	nodes := startCluster(t, 3, more...)
	leading(t, nodes)
	nodes[2].want(t, 204, "PUT", "/kv/a", "1")
	for _, n := range nodes {
		n.stop()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	until(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, false)
	log.Debug("not this")
	log.Warn("one")
	of(log, "rft").Info("two", "raft", 1)
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "Z WARN  one") || !strings.HasSuffix(lines[1], "Z INFO  rft: two") {
		t.Errorf("%q", lines)
	}
}

func TestCommandLine(t *testing.T) {
	good := []string{"--id", "1", "--cluster", "1=a:1", "--dir", "d"}
	o, err := parseOptions(append(good, "--snapshot-entries", "0", "--disk-reserve", "0"), io.Discard)
	config := o.config("d")
	if err != nil || config.SnapshotEntries != -1 || config.DiskReserveBytes != -1 || len(config.Voters) != 1 {
		t.Error(config, err)
	}
	for _, more := range [][]string{{"--what"}, {"--id"}, {"--id", "0"}, {"--cluster", "2=b:2"}, {"--dir", ""}, {"word"}, {"--tls-ca", "f"}, {"--tls-ca", "f", "--tls-key", "f"}, {"--cluster", "x"}} {
		var told bytes.Buffer
		if _, err := parseOptions(append(good, more...), &told); err == nil || !strings.Contains(told.String(), "usage:") {
			t.Error(more, err, told.String())
		}
	}
}
