package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

type statusReport struct {
	Program       string         `json:"program"`
	Raft          string         `json:"raft"`
	ID            uint64         `json:"id"`
	ClusterID     uint64         `json:"cluster_id"`
	Role          string         `json:"role"`
	Term          uint64         `json:"term"`
	Leader        uint64         `json:"leader"`
	Commit        uint64         `json:"commit"`
	Applied       uint64         `json:"applied"`
	FirstIndex    uint64         `json:"first_index"`
	LastIndex     uint64         `json:"last_index"`
	SnapshotIndex uint64         `json:"snapshot_index"`
	DiskFull      bool           `json:"disk_full"`
	Failure       string         `json:"failure"`
	Members       []memberReport `json:"members"`
	State         stateReport    `json:"state"`
	Counters      counters       `json:"counters"`
}

type memberReport struct {
	ID       uint64   `json:"id"`
	Address  string   `json:"address"`
	Flags    []string `json:"flags"`
	Progress string   `json:"progress"`
	Matched  uint64   `json:"matched"`
	Active   bool     `json:"active"`
}

type stateReport struct {
	Applied uint64 `json:"applied"`
	Keys    int    `json:"keys"`
	Hash    string `json:"hash,omitempty"`
}

var roles = map[raft.StateType]string{
	raft.StateFollower: "follower", raft.StateCandidate: "candidate", raft.StateLeader: "leader",
	raft.StatePreCandidate: "pre_candidate",
}

var progresses = map[tracker.StateType]string{
	tracker.StateProbe: "probe", tracker.StateReplicate: "replicate", tracker.StateSnapshot: "snapshot",
}

func (r *routes) status(w http.ResponseWriter, q *http.Request) {
	report, ok := r.look(q.URL.Query().Get("hash") != "0")
	if !ok {
		text(w, http.StatusServiceUnavailable, "the node is busy")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	data, err := json.Marshal(report)
	if err != nil {
		text(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.Write(data)
}

// look asks the loop for what it knows.
func (r *routes) look(withHash bool) (statusReport, bool) {
	answer := make(chan statusReport, 1)
	select {
	case r.node.tasks <- func() { answer <- r.node.report(withHash) }:
	default:
		return statusReport{}, false
	}
	select {
	case report := <-answer:
		return report, true
	case <-time.After(waitMax):
		return statusReport{}, false
	}
}

// report runs on the loop.
func (n *node) report(withHash bool) statusReport {
	status := n.raw.Status()
	term, _, commit := lookState(status.HardState)
	first, _ := n.storage.FirstIndex()
	last, _ := n.storage.LastIndex()
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	out := statusReport{
		Program: "kv-etcd", Raft: raftVersion, ID: n.id, ClusterID: n.cluster, Role: roles[status.RaftState], Term: term,
		Leader: status.Lead, Commit: commit, Applied: status.Applied, FirstIndex: first, LastIndex: last,
		SnapshotIndex: n.snapshotAt, Failure: "RFT_OK", Counters: n.counters,
		State: stateReport{Applied: n.state.applied, Keys: len(n.state.items)},
	}
	if withHash {
		out.State.Hash = fmt.Sprintf("%016x", n.state.hash())
	}
	out.Members = n.memberReports(status)
	return out
}

func (n *node) memberReports(status raft.Status) []memberReport {
	out := []memberReport{}
	flags := map[uint64][]string{}
	m := lookMembers(n.storage.members)
	for _, part := range []struct {
		ids  []uint64
		name string
	}{{m.voters, "voter"}, {m.learners, "learner"}, {m.outgoing, "outgoing"}, {m.learnersNext, "learner_next"}} {
		for _, id := range part.ids {
			flags[id] = append(flags[id], part.name)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(flags)) {
		report := memberReport{ID: id, Address: n.state.book[id], Flags: flags[id], Progress: "unknown"}
		if progress, found := status.Progress[id]; found {
			report.Progress, report.Matched, report.Active = progresses[progress.State], progress.Match, progress.RecentActive
		}
		out = append(out, report)
	}
	return out
}
