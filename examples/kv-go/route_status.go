package main

import (
	"encoding/json"
	"net/http"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// report is what GET /status answers.
type report struct {
	Program       string         `json:"program"`
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
	State         summary        `json:"state"`
	Counters      counterReport  `json:"counters"`
}

type memberReport struct {
	ID       uint64   `json:"id"`
	Address  string   `json:"address"`
	Flags    []string `json:"flags"`
	Progress string   `json:"progress"`
	Matched  uint64   `json:"matched"`
	Active   bool     `json:"active"`
}

type counterReport struct {
	Writes                uint64 `json:"writes"`
	Reads                 uint64 `json:"reads"`
	Elections             uint64 `json:"elections"`
	SnapshotsSaved        uint64 `json:"snapshots_saved"`
	SnapshotBytesSaved    uint64 `json:"snapshot_bytes_saved"`
	SnapshotsRestored     uint64 `json:"snapshots_restored"`
	SnapshotBytesRestored uint64 `json:"snapshot_bytes_restored"`
	Restarts              uint64 `json:"restarts"`
}

// status tells what this node knows. ?hash=0 leaves out the hash, which walks the whole state.
func status(n *node, to http.ResponseWriter, request *http.Request, _ []byte) {
	now, err := n.engine.Status()
	if err != nil {
		n.replyError(to, request, err)
		return
	}
	members, err := n.memberReports()
	if err != nil {
		n.replyError(to, request, err)
		return
	}
	c := &n.counters
	out := report{
		Program: "kv-go", ID: now.ID, ClusterID: n.options.clusterID, Role: roleName(now.Role), Term: now.Term,
		Leader: now.Leader, Commit: now.Commit, Applied: now.Applied, FirstIndex: now.FirstIndex,
		LastIndex: now.LastIndex, SnapshotIndex: now.SnapshotIndex, DiskFull: now.DiskFull,
		Failure: failureName(now.Failure), Members: members,
		State: n.machine.summary(request.URL.Query().Get("hash") != "0"),
		Counters: counterReport{
			c.writes.Load(), c.reads.Load(), c.elections.Load(), c.snapshotsSaved.Load(), c.snapshotBytesSaved.Load(),
			c.snapshotsRestored.Load(), c.snapshotsRestoredBytes.Load(), c.starts - 1,
		},
	}
	text, err := json.Marshal(out)
	if err != nil {
		n.replyError(to, request, err)
		return
	}
	replyBytes(to, http.StatusOK, "application/json", append(text, '\n'))
}

func (n *node) memberReports() ([]memberReport, error) {
	members, err := n.engine.Members()
	if err != nil {
		return nil, err
	}
	book := n.machine.members()
	list := make([]memberReport, 0, len(members))
	for _, m := range members {
		list = append(list, memberReport{
			ID: m.ID, Address: book.address(m.ID), Flags: flagNames(m.Flags), Progress: progressName(m.Progress),
			Matched: m.Matched, Active: m.RecentActive,
		})
	}
	return list, nil
}

func roleName(role rft.Role) string {
	if role == rft.RolePreCandidate {
		return "pre_candidate"
	}
	return role.String()
}

func failureName(failure error) string {
	known, failed := failure.(*rft.Error)
	if !failed {
		return "RFT_OK"
	}
	return known.Code.Name()
}

func flagNames(flags rft.MemberFlags) []string {
	names := []string{}
	for _, known := range []struct {
		flag rft.MemberFlags
		name string
	}{
		{rft.MemberVoter, "voter"}, {rft.MemberLearner, "learner"}, {rft.MemberOutgoing, "outgoing"},
		{rft.MemberLearnerNext, "learner_next"},
	} {
		if flags&known.flag != 0 {
			names = append(names, known.name)
		}
	}
	return names
}

func progressName(progress rft.Progress) string {
	switch progress {
	case rft.ProgressProbe:
		return "probe"
	case rft.ProgressReplicate:
		return "replicate"
	case rft.ProgressSnapshot:
		return "snapshot"
	default:
		return "unknown" // only a leader knows
	}
}
