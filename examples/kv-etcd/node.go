package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/tracker"
)

const (
	electionTicks  = 10
	inboxMax       = 4096
	entriesTrail   = 500 // kept behind a snapshot, for followers that are a little late
	messageBytes   = 512 << 10
	messagesFlying = 512
	uncommittedMax = 64 << 20
)

// code is what became of a request.
type code int

const (
	done       code = iota
	notLeader       // nothing was done
	refused         // nothing was done: no leader, a full queue, or another leader's entry took the place
	misfit          // a membership change that does not fit, or one is under way
	unknown         // nobody can tell
	mismatched      // a command's condition did not hold
)

type outcome struct {
	code     code
	revision uint64 // of the key, behind a command
}

// waiter is somebody who waits for the entry of an index to be applied: its own, if the term is this one.
type waiter struct {
	term     uint64
	isChange bool
	answer   chan outcome // of one, so that nobody waits to answer
}

// round is a question to the leader that answers all reads which were asked before it.
type round struct {
	asked   time.Time
	answers []chan outcome
}

// proposal is an entry to be, handed to the loop.
type proposal struct {
	data    []byte
	changes []change // a membership change, with data as its context
	answer  chan outcome
}

// node is raft with its disk and its state machine. All of it belongs to one goroutine; mutex guards what others see.
type node struct {
	id, cluster uint64
	options     options
	raw         *raft.RawNode
	storage     *storage
	disk        *disk
	peers       *peers

	tasks     chan func()
	proposals chan proposal
	reads     chan chan outcome
	stopped   chan struct{}
	ended     chan error

	waiting    map[uint64]waiter         // by index
	rounds     map[uint64]*round         // reads whose index is not known, by number
	held       map[uint64][]chan outcome // reads that wait for an index to be applied
	lastRound  uint64
	snapshotAt uint64

	mutex    sync.RWMutex
	state    state
	counters counters
}

type counters struct {
	Writes            uint64 `json:"writes"`
	Reads             uint64 `json:"reads"`
	Elections         uint64 `json:"elections"`
	SnapshotsSaved    uint64 `json:"snapshots_saved"`
	SnapshotsRestored uint64 `json:"snapshots_restored"`
	Restarts          uint64 `json:"restarts"`
}

func openNode(o options) (*node, error) {
	first := snapshot{}
	book := book{}
	if !o.join {
		// Every node of a new cluster begins with the same snapshot: its members, and no data.
		first = snapshot{term: 1, index: 1, members: makeMembers(o.ids())}
		book = o.cluster
	}
	disk, found, err := openDisk(filepath.Join(o.dir, "raft"), o.id, o.clusterID, first)
	if err != nil {
		return nil, err
	}
	n := &node{
		id: o.id, cluster: o.clusterID, options: o, disk: disk, state: newState(book),
		tasks: make(chan func(), inboxMax), proposals: make(chan proposal, inboxMax),
		reads: make(chan chan outcome, inboxMax), stopped: make(chan struct{}), ended: make(chan error, 1),
		waiting: map[uint64]waiter{}, rounds: map[uint64]*round{}, held: map[uint64][]chan outcome{},
		// Another one in each run: an answer to a round of the last run must not be taken for one of this.
		lastRound:  uint64(time.Now().UnixNano()),
		snapshotAt: found.snapshot.index,
	}
	if len(found.snapshot.data) > 0 {
		if n.state, err = decodeState(found.snapshot.data); err != nil {
			return nil, err
		}
		n.counters.SnapshotsRestored++
	}
	if n.storage, err = newStorage(found); err != nil {
		return nil, err
	}
	n.raw, err = raft.NewRawNode(&raft.Config{
		ID: o.id, ElectionTick: electionTicks, HeartbeatTick: 1, Storage: n.storage, Applied: found.snapshot.index,
		MaxSizePerMsg: messageBytes, MaxInflightMsgs: messagesFlying, MaxUncommittedEntriesSize: uncommittedMax,
		CheckQuorum: true, PreVote: true,
		// Nobody answers a proposal that was forwarded: clients are sent to the leader instead.
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
	})
	if err != nil {
		return nil, err
	}
	n.counters.Restarts = countStart(filepath.Join(o.dir, "starts")) - 1
	n.peers = newPeers(n)
	n.followBook(o.cluster)
	n.followBook(n.state.book)
	return n, nil
}

// countStart says how many times this directory was started, this time included. A count for people: a file that is lost or
// torn only makes it begin again.
func countStart(path string) uint64 {
	text, _ := os.ReadFile(path)
	starts, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", starts+1), 0o600); err != nil {
		logLine("WARN", "%v", err)
	}
	return starts + 1
}

// run is the loop; it ends with stop, or with the first failure.
func (n *node) run() {
	err := n.loop()
	for _, w := range n.waiting {
		w.answer <- outcome{code: unknown}
	}
	n.ended <- errors.Join(err, n.disk.close())
}

func (n *node) loop() error {
	ticks := time.NewTicker(time.Duration(n.options.tickMS) * time.Millisecond)
	defer ticks.Stop()
	for {
		var proposals []proposal
		var reads []chan outcome
		select {
		case <-n.stopped:
			return nil
		case <-ticks.C:
			n.raw.Tick()
			n.askAgain()
		case task := <-n.tasks:
			task()
		case p := <-n.proposals:
			proposals = append(proposals, p)
		case r := <-n.reads:
			reads = append(reads, r)
		}
		// What else has come meanwhile goes along: one write to the disk for all of it.
		for range len(n.tasks) {
			(<-n.tasks)()
		}
		if err := n.drain(); err != nil {
			return err
		}
		for range len(n.proposals) {
			proposals = append(proposals, <-n.proposals)
		}
		for range len(n.reads) {
			reads = append(reads, <-n.reads)
		}
		n.propose(proposals)
		n.ask(reads)
		if err := n.drain(); err != nil {
			return err
		}
	}
}

// propose hands entries to raft. Behind drain the storage holds the whole log, so their indexes are the next ones.
func (n *node) propose(proposals []proposal) {
	last, err := n.storage.LastIndex()
	if err != nil {
		last = 0
	}
	for _, p := range proposals {
		status := n.raw.BasicStatus()
		if status.RaftState != raft.StateLeader {
			p.answer <- outcome{code: notLeader}
			continue
		}
		if p.changes == nil {
			err = n.raw.Propose(p.data)
		} else if err = n.checkChange(p); err == nil {
			err = n.raw.ProposeConfChange(makeChange(p.changes, p.data))
		}
		switch {
		case errors.Is(err, raft.ErrProposalDropped):
			p.answer <- outcome{code: refused}
		case err != nil:
			p.answer <- outcome{code: misfit}
		default:
			last++
			if old, found := n.waiting[last]; found {
				old.answer <- outcome{code: unknown} // of another term, when this node led before
			}
			term, _, _ := lookState(status.HardState)
			n.waiting[last] = waiter{term, p.changes != nil, p.answer}
		}
	}
}

// checkChange tries a change first, because raft panics when one that is impossible is applied.
func (n *node) checkChange(p proposal) error {
	config, progress, err := confchange.Restore(changer(tracker.MakeProgressTracker(1, 0)), n.storage.members)
	if err != nil {
		return err
	}
	t := tracker.MakeProgressTracker(1, 0)
	t.Config, t.Progress = config, progress
	wish := makeChange(p.changes, nil).AsV2()
	if automatic, isJoint := wish.EnterJoint(); isJoint {
		_, _, err = changer(t).EnterJoint(automatic, wish.Changes...)
	} else {
		_, _, err = changer(t).Simple(wish.Changes...)
	}
	return err
}

func changer(t tracker.ProgressTracker) confchange.Changer {
	return confchange.Changer{Tracker: t, LastIndex: 1}
}

// ask starts one round for all reads: the leader says which index they have to see.
func (n *node) ask(reads []chan outcome) {
	if len(reads) == 0 {
		return
	}
	n.lastRound++
	n.rounds[n.lastRound] = &round{time.Now(), reads}
	n.raw.ReadIndex(binary.LittleEndian.AppendUint64(nil, n.lastRound))
}

// askAgain repeats rounds that nobody answers, under a new number: raft loses them when the leader changes.
func (n *node) askAgain() {
	patience := time.Duration(n.options.tickMS*electionTicks/2) * time.Millisecond
	var late []chan outcome
	for number, r := range n.rounds {
		if time.Since(r.asked) > patience {
			late = append(late, r.answers...)
			delete(n.rounds, number)
		}
	}
	n.ask(late)
}

// step hands messages to raft. One of a node that is no member says nothing about those behind it.
func (n *node) step(messages []wordMessage) {
	for _, m := range messages {
		if err := n.raw.Step(m); err != nil && !errors.Is(err, raft.ErrStepPeerNotFound) && !errors.Is(err, raft.ErrProposalDropped) {
			logLine("WARN", "a message of node %d: %v", lookMessage(m).from, err)
		}
	}
}

// drain does what raft wants done, until it wants nothing: save, send, apply.
func (n *node) drain() error {
	for n.raw.HasReady() {
		ready := n.raw.Ready()
		if err := n.disk.save(ready.HardState, ready.Entries, ready.Snapshot); err != nil {
			return fmt.Errorf("the disk: %w", err)
		}
		if err := n.keep(ready); err != nil {
			return err
		}
		n.peers.send(ready.Messages)
		if ready.SoftState != nil && ready.SoftState.Lead != raft.None {
			n.mutex.Lock()
			n.counters.Elections++
			n.mutex.Unlock()
			logLine("INFO", "term %d: node %d leads", termOf(n.raw), ready.SoftState.Lead)
		}
		for _, e := range ready.CommittedEntries {
			if err := n.apply(lookEntry(e)); err != nil {
				return err
			}
		}
		n.takeReads(ready.ReadStates)
		n.raw.Advance(ready)
	}
	every := n.options.snapshotEntries
	if n.storage.wanted || every > 0 && n.state.applied >= n.snapshotAt+every {
		return n.takeSnapshot()
	}
	return nil
}

func termOf(raw *raft.RawNode) uint64 {
	term, _, _ := lookState(raw.BasicStatus().HardState)
	return term
}

// keep takes over into memory what the disk holds now.
func (n *node) keep(ready raft.Ready) error {
	if !raft.IsEmptySnap(ready.Snapshot) {
		if err := n.restore(ready.Snapshot); err != nil {
			return err
		}
	}
	if !raft.IsEmptyHardState(ready.HardState) {
		if err := n.storage.SetHardState(ready.HardState); err != nil {
			return err
		}
	}
	return n.storage.Append(ready.Entries)
}

// restore begins anew with a leader's snapshot. What was proposed before may be in it, or not.
func (n *node) restore(received wordSnapshot) error {
	if err := n.storage.ApplySnapshot(received); err != nil {
		return err
	}
	seen := lookSnapshot(received)
	fresh := newState(book{})
	if len(seen.data) > 0 {
		var err error
		if fresh, err = decodeState(seen.data); err != nil {
			return fmt.Errorf("the snapshot at index %d: %w", seen.index, err)
		}
	}
	n.mutex.Lock()
	n.state = fresh
	n.counters.SnapshotsRestored++
	n.mutex.Unlock()
	n.storage.members, n.snapshotAt = seen.members, seen.index
	n.followBook(fresh.book)
	for index, w := range n.waiting {
		if index <= seen.index {
			w.answer <- outcome{code: unknown}
			delete(n.waiting, index)
		}
	}
	n.release(seen.index)
	return nil
}

func (n *node) apply(e entry) error {
	n.mutex.Lock()
	var result answer
	var err error
	if e.isChange() {
		result.done, err = true, n.applyChange(e)
	} else {
		result, err = n.state.apply(e.index, e.data)
	}
	n.mutex.Unlock()
	if err != nil {
		return fmt.Errorf("the entry at index %d cannot be applied: %w", e.index, err)
	}
	if e.isChange() {
		logLine("INFO", "membership changed at index %d", e.index)
		n.followBook(n.state.book)
	}
	if w, found := n.waiting[e.index]; found {
		delete(n.waiting, e.index)
		w.answer <- w.outcome(e, result)
	}
	n.release(e.index)
	return nil
}

// outcome tells a waiter what the entry at its index says of its own.
func (w waiter) outcome(e entry, result answer) outcome {
	switch {
	case e.term != w.term:
		return outcome{code: refused} // another leader's entry stands where it would be
	case w.isChange && !e.isChange():
		return outcome{code: misfit} // raft has put an empty entry in its place
	case !result.done:
		return outcome{mismatched, result.revision}
	}
	return outcome{done, result.revision}
}

func (n *node) applyChange(e entry) error {
	wish, context, err := readChange(e)
	if err != nil {
		return err
	}
	n.storage.members = pointed(n.raw.ApplyConfChange(wish))
	return n.state.applyChange(e.index, context)
}

// takeReads learns which index reads have to see.
func (n *node) takeReads(answers []raft.ReadState) {
	for _, answer := range answers {
		if len(answer.RequestCtx) != 8 {
			continue
		}
		number := binary.LittleEndian.Uint64(answer.RequestCtx)
		if r, found := n.rounds[number]; found {
			delete(n.rounds, number)
			n.held[answer.Index] = append(n.held[answer.Index], r.answers...)
		}
	}
	n.release(n.raw.BasicStatus().Applied)
}

// release answers the reads that have to see no more than what is applied.
func (n *node) release(applied uint64) {
	for index, answers := range n.held {
		if index <= max(applied, n.state.applied) {
			for _, answer := range answers {
				answer <- outcome{code: done}
			}
			delete(n.held, index)
		}
	}
}

// takeSnapshot saves the state, and lets go of the log before it.
func (n *node) takeSnapshot() error {
	n.storage.wanted = false
	applied := n.raw.BasicStatus().Applied
	if applied <= n.snapshotAt {
		return nil
	}
	made, err := n.storage.CreateSnapshot(applied, pointing(n.storage.members), n.state.encode())
	if err != nil {
		return err
	}
	if err := n.disk.record(made); err != nil {
		return fmt.Errorf("the disk: %w", err)
	}
	if err := n.disk.wal.ReleaseLockTo(applied); err != nil {
		return fmt.Errorf("the disk: %w", err)
	}
	n.snapshotAt = applied
	n.mutex.Lock()
	n.counters.SnapshotsSaved++
	n.mutex.Unlock()
	first, err := n.storage.FirstIndex()
	if err == nil && applied >= first+entriesTrail {
		err = n.storage.Compact(applied - entriesTrail)
	}
	return err
}

// followBook tells the transport where the nodes are.
func (n *node) followBook(b book) {
	for id, address := range b {
		n.peers.set(id, address)
	}
}
