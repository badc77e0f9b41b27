package rft_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// trio is three nodes in one process, and what they say.
type trio struct {
	t     *testing.T
	nodes [4]*rft.Node // without 0
	sums  [4]int
	lines strings.Builder
}

func (w *trio) handleReady(id uint64) bool {
	node := w.nodes[id]
	if !node.HasReady() {
		return false
	}
	ready, err := node.Ready()
	must(w.t, err)
	for _, message := range ready.Messages {
		must(w.t, w.nodes[message.To].Step(message.Data))
	}
	for _, entry := range ready.Committed {
		if entry.Type == rft.EntryNormal && len(entry.Data) > 0 {
			number, err := strconv.Atoi(string(entry.Data))
			must(w.t, err)
			w.sums[id] += number
			fmt.Fprintf(&w.lines, "node %d applies %s: the sum is %d\n", id, entry.Data, w.sums[id])
		}
	}
	must(w.t, node.Advance())
	return true
}

func (w *trio) settle() {
	for busy := true; busy; {
		busy = false
		for id := uint64(1); id <= 3; id++ {
			busy = w.handleReady(id) || busy
		}
	}
}

func TestNodeStory(t *testing.T) {
	w := &trio{t: t}
	for id := uint64(1); id <= 3; id++ {
		node, err := rft.NewNode(rft.Config{ID: id, Voters: []uint64{1, 2, 3}}, nil)
		must(t, err)
		defer node.Close()
		w.nodes[id] = node
	}
	must(t, w.nodes[2].Campaign())
	w.settle()
	for id, node := range w.nodes[1:] {
		status, err := node.Status()
		must(t, err)
		verb := "follows"
		if status.Role == rft.RoleLeader {
			verb = "leads as"
		}
		fmt.Fprintf(&w.lines, "node %d %s node %d\n", id+1, verb, status.Leader)
	}
	_, err := w.nodes[2].Propose([]byte("+1"), []byte("+20"), []byte("-7"))
	must(t, err)
	w.settle()
	for _, node := range w.nodes[1:] {
		must(t, node.Tick())
	}
	w.settle()
	for id, node := range w.nodes[1:] {
		status, err := node.Status()
		must(t, err)
		part := "a part"
		if status.Applied == status.Commit {
			part = "all"
		}
		fmt.Fprintf(&w.lines, "node %d has applied %s\n", id+1, part)
	}
	tells(t, "node.txt", w.lines.String())
}

// tells compares what was said with the story.
func tells(t *testing.T, story, said string) {
	t.Helper()
	want, err := os.ReadFile("../conformance/" + story)
	must(t, err)
	if said != string(want) {
		t.Errorf("%s, said:\n%s\nwanted:\n%s", story, said, want)
	}
}
