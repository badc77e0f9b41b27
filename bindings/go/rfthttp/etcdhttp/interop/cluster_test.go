// Package interop holds the tests of package etcdhttp against etcd's own Transport, in a module of their own: nobody
// else needs what they depend on.
package interop

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp/etcdhttp"
	"go.etcd.io/raft/v3"
)

var voters = []uint64{1, 2, 3}

// cluster is node 1 of etcd's make, and nodes 2 and 3 of this library.
type cluster struct {
	t         *testing.T
	addresses map[uint64]string
	one       *theirs
	ours      map[uint64]*ours
	written   []string
}

func (c *cluster) peers(of uint64) map[uint64]string {
	peers := map[uint64]string{}
	for id, address := range c.addresses {
		if id != of {
			peers[id] = "http://" + address
		}
	}
	return peers
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, addresses: map[uint64]string{}, ours: map[uint64]*ours{}}
	for _, id := range voters {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer listener.Close()
		c.addresses[id] = listener.Addr().String()
	}
	return c
}

func (c *cluster) start() {
	c.one = newTheirs(c.t, 1, voters)
	c.startOne()
	for _, id := range voters[1:] {
		c.ours[id] = &ours{id: id, dir: c.t.TempDir()}
		c.startOurs(id)
	}
}

func (c *cluster) startOne() { c.one.start(c.t, c.addresses[1], c.peers(1)) }

func (c *cluster) startOurs(id uint64) {
	c.ours[id].start(c.t, c.addresses[id], c.peers(id), voters)
}

func (c *cluster) close() {
	c.one.close()
	for _, n := range c.ours {
		n.close()
	}
}

// lead has a node lead, whoever does now.
func (c *cluster) lead(id uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	until(c.t, fmt.Sprintf("node %d leads", id), func() bool {
		now := c.one.node.Status()
		switch {
		case now.Lead == id && id == 1:
			return now.RaftState == raft.StateLeader
		case now.Lead == id:
			_, err := c.ours[id].engine.Read(ctx)
			return err == nil
		case now.Lead == 1:
			c.one.node.TransferLeadership(ctx, 1, id)
		case now.Lead != 0:
			_, _ = c.ours[now.Lead].engine.TransferLeader(ctx, id)
		}
		time.Sleep(10 * tick)
		return false
	})
}

// write has the leader take so many entries, and waits until all of the nodes named have applied them.
func (c *cluster) write(leader uint64, n int, on ...uint64) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if leader == 1 {
		for range n {
			text := fmt.Sprintf("%d by etcd", len(c.written))
			must(c.t, c.one.node.Propose(ctx, []byte(text)))
			c.written = append(c.written, text)
		}
	} else {
		var batch [][]byte
		for range n {
			text := fmt.Sprintf("%d by us", len(c.written))
			batch = append(batch, []byte(text))
			c.written = append(c.written, text)
		}
		results, err := c.ours[leader].engine.ProposeMany(ctx, batch[:n/2])
		must(c.t, err)
		for _, text := range batch[n/2:] {
			_, err := c.ours[leader].engine.Propose(ctx, text)
			must(c.t, err)
		}
		for _, result := range results {
			must(c.t, result.Err)
		}
	}
	for _, id := range on {
		c.agree(id)
	}
}

func (c *cluster) agree(id uint64) {
	c.t.Helper()
	applied := c.one.list
	if id != 1 {
		applied = c.ours[id].machine.list
	}
	until(c.t, fmt.Sprintf("node %d has all %d", id, len(c.written)), func() bool { return len(applied()) >= len(c.written) })
	if got := applied(); !slices.Equal(got, c.written) {
		c.t.Fatalf("node %d has applied something else: %d entries, not %d", id, len(got), len(c.written))
	}
}

// Nodes of both makes lead, write, stop and come back, and what they say goes over the streams.
func TestClusterOfBothMakes(t *testing.T) {
	c := newCluster(t)
	c.start()
	defer c.close()
	c.lead(1)
	c.write(1, 500, 1, 2, 3)
	c.lead(2)
	c.write(2, 500, 1, 2, 3)

	// One of ours goes and comes back, while etcd's leads.
	c.lead(1)
	c.ours[3].close()
	c.write(1, 300, 1, 2)
	c.startOurs(3)
	c.agree(3)
	c.write(1, 100, 1, 2, 3)

	// Etcd's goes and comes back, while one of ours leads.
	c.lead(3)
	before := c.ours[3].transport.Counts()
	c.one.close()
	c.write(3, 300, 2, 3)
	c.startOne()
	c.write(3, 300, 1, 2, 3)
	now := c.ours[3].transport.Counts()
	if now.MsgAppSent == before.MsgAppSent || now.MessageReceived == before.MessageReceived {
		t.Errorf("no streams after the restart: %+v, %+v", before, now)
	}
	two := c.ours[2].transport.Counts()
	t.Logf("node 2: %+v; node 3 since its restart: %+v; etcd's took %d posts", two, now, c.one.posts())
	if two.ShortReceived < 100 || two.MsgAppReceived < two.ShortReceived || two.MsgAppSent == 0 || two.MessageSent == 0 || two.MessageReceived == 0 {
		t.Errorf("the streams are not used: %+v", two)
	}
	if posts, streamed := uint64(c.one.posts()), two.MsgAppSent+two.MessageSent+now.MsgAppSent+now.MessageSent; posts*4 > streamed {
		t.Errorf("%d messages by the pipeline, %d by streams", posts, streamed)
	}
}

// What one of ours has compacted comes to etcd's by the pipeline, as a snapshot, and the other way round.
func TestSnapshotsOfBothMakes(t *testing.T) {
	c := newCluster(t)
	c.start()
	defer c.close()
	c.lead(2)
	c.write(2, 50, 1, 2, 3)
	c.one.close()
	c.write(2, 200, 2, 3)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, n := range c.ours {
		_, err := n.engine.Snapshot(ctx)
		must(t, err)
	}
	c.startOne()
	until(t, "etcd's takes a snapshot", func() bool { return c.one.lastRestored() > 200 })
	c.write(2, 50)
	until(t, "etcd's goes on behind it", func() bool {
		got := c.one.list()
		return len(got) > 0 && got[len(got)-1] == c.written[len(c.written)-1]
	})
}

// Who is none of the peers gets no stream, of either make, and disturbs nobody.
func TestStrangersGetNoStream(t *testing.T) {
	c := newCluster(t)
	c.start()
	defer c.close()
	c.lead(2)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	stranger := &ours{id: 9, dir: t.TempDir()}
	stranger.start(t, address, c.peers(9), []uint64{1, 2, 3, 9})
	defer stranger.close()
	must(t, stranger.engine.Campaign())
	c.write(2, 500, 1, 2, 3)
	if counts := stranger.transport.Counts(); counts != (etcdhttp.Counts{}) {
		t.Errorf("%+v", counts)
	}
}
