// The core rows of etcd's raft: bench-etcd-raft MODE LEN BATCH. Three nodes in one goroutine, over its own storage in memory.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strconv"

	"go.etcd.io/raft/v3"
)

// Logs are compacted when they hold this many entries, as those of all others are.
const compactEvery = 4096

type group struct {
	nodes   []*raft.RawNode
	stores  []*raft.MemoryStorage
	mail    []wordMessage
	applied [3]uint64
	bytes   [3]uint64
	payload []byte
	// One message for a whole batch, instead of a call for each proposal.
	multi bool
	wire  bool
}

func newGroup(mode string) *group {
	g := &group{payload: make([]byte, 1<<20)}
	switch mode {
	case "default":
	case "multi":
		g.multi = true
	case "wire":
		g.multi, g.wire = true, true
	default:
		log.Fatalf("there is no mode %s", mode)
	}
	for id := uint64(1); id <= 3; id++ {
		storage := raft.NewMemoryStorage()
		must(storage.ApplySnapshot(firstSnapshot()))
		node, err := raft.NewRawNode(&raft.Config{
			ID:              id,
			ElectionTick:    10,
			HeartbeatTick:   1,
			Storage:         storage,
			MaxSizePerMsg:   1 << 20,
			MaxInflightMsgs: 256,
			CheckQuorum:     true,
			Logger:          &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
		})
		must(err)
		g.nodes = append(g.nodes, node)
		g.stores = append(g.stores, storage)
	}
	must(g.nodes[0].Campaign())
	g.pump()
	return g
}

func (g *group) pump() {
	for quiet := false; !quiet; {
		quiet = true
		for at := range g.nodes {
			for g.nodes[at].HasReady() {
				quiet = false
				g.turn(at)
			}
		}
		mail := g.mail
		g.mail = nil
		for _, message := range mail {
			quiet = false
			if g.wire {
				message = throughWire(message)
			}
			must(g.nodes[receiver(message)-1].Step(message))
		}
	}
}

func (g *group) turn(at int) {
	node, storage := g.nodes[at], g.stores[at]
	ready := node.Ready()
	must(storage.Append(ready.Entries))
	if !raft.IsEmptyHardState(ready.HardState) {
		must(storage.SetHardState(ready.HardState))
	}
	g.mail = append(g.mail, ready.Messages...)
	for _, entry := range ready.CommittedEntries {
		index, data := look(entry)
		g.applied[at] = index
		g.bytes[at] += uint64(len(data))
	}
	node.Advance(ready)
}

// commit proposes a batch in one call, and pumps until all three nodes have applied it.
func (g *group) commit(batch, size int) {
	target, bytes := g.applied[0]+uint64(batch), g.bytes[0]+uint64(batch*size)
	buffer := make([]byte, batch*size)
	copy(buffer, g.payload)
	if g.multi {
		must(g.nodes[0].Step(proposal(buffer, batch, size)))
	} else {
		for at := 0; at < batch; at++ {
			must(g.nodes[0].Propose(buffer[at*size : (at+1)*size : (at+1)*size]))
		}
	}
	g.pump()
	for at := range g.nodes {
		if g.applied[at] != target || g.bytes[at] != bytes {
			log.Fatalf("node %d has applied %d, and not %d", at+1, g.applied[at], target)
		}
		first, err := g.stores[at].FirstIndex()
		must(err)
		if target-first >= compactEvery {
			must(g.stores[at].Compact(target))
		}
	}
}

func number(text string) int {
	found, err := strconv.Atoi(text)
	must(err)
	return found
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: bench-etcd-raft MODE LEN BATCH")
	}
	g := newGroup(os.Args[1])
	size, batch := number(os.Args[2]), number(os.Args[3])
	value, allocs := sample(batch, func() { g.commit(batch, size) })
	fmt.Printf("{\"value\": %.2f, \"allocs_per_op\": %.4f}\n", value, allocs)
}
