package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
)

const (
	queueMessages = 4096
	batchBytes    = 4 << 20
	frameHead     = 8
	postTimeout   = 5 * time.Second

	typeMessage = "application/protobuf"
	typeFrames  = "application/x-raft-frames"
)

// peers sends messages to the other nodes: a queue and a goroutine for each, so that a slow one delays nobody.
type peers struct {
	node   *node
	client *http.Client
	mutex  sync.Mutex
	list   map[uint64]*peer
}

type peer struct {
	peers   *peers
	id      uint64
	queue   chan packet
	mutex   sync.Mutex
	address string
}

type packet struct {
	body       []byte
	isSnapshot bool
}

func newPeers(n *node) *peers {
	transport := &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second}
	transport.TLSClientConfig = n.options.tls.Clone() // a server makes changes to its own
	return &peers{node: n, client: &http.Client{Transport: transport, Timeout: postTimeout}, list: map[uint64]*peer{}}
}

// set says where a node is, from now on.
func (ps *peers) set(id uint64, address string) {
	if id == ps.node.id {
		return
	}
	ps.mutex.Lock()
	p, found := ps.list[id]
	if !found {
		p = &peer{peers: ps, id: id, queue: make(chan packet, queueMessages)}
		ps.list[id] = p
		go p.run()
	}
	ps.mutex.Unlock()
	p.mutex.Lock()
	p.address = address
	p.mutex.Unlock()
}

// address is where a node is, as far as that is known.
func (ps *peers) address(id uint64) (string, bool) {
	ps.mutex.Lock()
	p, found := ps.list[id]
	ps.mutex.Unlock()
	if !found {
		return "", false
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.address, true
}

func (ps *peers) send(messages []wordMessage) {
	for _, m := range messages {
		outside := lookMessage(m)
		ps.mutex.Lock()
		p, found := ps.list[outside.to]
		ps.mutex.Unlock()
		body, err := encodeMessage(m)
		if !found || err != nil {
			continue
		}
		select {
		case p.queue <- packet{body, outside.isSnapshot}:
		default:
			p.report(false, outside.isSnapshot)
		}
	}
}

// run sends what waits, many messages in one request.
func (p *peer) run() {
	reachable := true
	for first := range p.queue {
		batch, size := []packet{first}, len(first.body)
		for len(p.queue) > 0 && size < batchBytes {
			next := <-p.queue
			batch, size = append(batch, next), size+len(next.body)
		}
		err := p.post(batch)
		if (err == nil) != reachable {
			reachable = err == nil
			logLine("WARN", "node %d: reachable %t: %v", p.id, reachable, err)
		}
		hasSnapshot := false
		for _, b := range batch {
			hasSnapshot = hasSnapshot || b.isSnapshot
		}
		if err != nil || hasSnapshot {
			p.report(err == nil, hasSnapshot)
		}
	}
}

// post is one request. A single message goes bare, as etcd's rafthttp sends it.
func (p *peer) post(batch []packet) error {
	p.mutex.Lock()
	address := p.address
	p.mutex.Unlock()
	body, contentType := batch[0].body, typeMessage
	if len(batch) > 1 {
		body, contentType = nil, typeFrames
		for _, b := range batch {
			body = binary.BigEndian.AppendUint64(body, uint64(len(b.body)))
			body = append(body, b.body...)
		}
	}
	request, err := http.NewRequest(http.MethodPost, p.peers.node.options.scheme()+"://"+address+"/raft", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Etcd-Cluster-ID", fmt.Sprintf("%x", p.peers.node.cluster))
	request.Header.Set("X-Server-From", fmt.Sprintf("%x", p.peers.node.id))
	response, err := p.peers.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	why, _ := io.ReadAll(io.LimitReader(response.Body, 256))
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(why))
	}
	return nil
}

// report tells raft what became of messages; a node that is stopping hears nothing more.
func (p *peer) report(isSent, hasSnapshot bool) {
	n := p.peers.node
	task := func() {
		if !isSent {
			n.raw.ReportUnreachable(p.id)
		}
		if hasSnapshot && isSent {
			n.raw.ReportSnapshot(p.id, raft.SnapshotFinish)
		} else if hasSnapshot {
			n.raw.ReportSnapshot(p.id, raft.SnapshotFailure)
		}
	}
	select {
	case n.tasks <- task:
	default: // it is busy; the next heartbeat shows the same
	}
}

// splitFrames takes a body of frames apart: each message behind its length.
func splitFrames(body []byte) ([][]byte, bool) {
	var out [][]byte
	for len(body) > 0 {
		if len(body) < frameHead {
			return nil, false
		}
		size := binary.BigEndian.Uint64(body)
		body = body[frameHead:]
		if size > uint64(len(body)) {
			return nil, false
		}
		out, body = append(out, body[:size]), body[size:]
	}
	return out, true
}
