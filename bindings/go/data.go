package rft

// #include "shim.h"
import "C"

import "time"

// EntryType is what an entry is.
type EntryType int32

const (
	// EntryNormal holds the bytes of a proposal. One without any is how a leader opens its term.
	EntryNormal = EntryType(C.RFT_ENTRY_NORMAL)
	// EntryConfChange is a membership change; its data is the context given with it.
	EntryConfChange = EntryType(C.RFT_ENTRY_CONF_CHANGE)
)

// Entry is an entry of the log.
type Entry struct {
	// Index is its place in the log.
	Index uint64
	// Term is that of the leader that appended it.
	Term uint64
	// Type is what it is.
	Type EntryType
	// Data is the payload, and yours to keep.
	Data []byte
	// Answer is for [StateMachine.Apply] to set: the one who proposed the entry gets it with the outcome.
	Answer []byte
}

// Message is a message to a peer. Deliver Data unchanged to Step of node To. Messages may be lost, doubled and
// reordered; order makes them cheaper.
type Message struct {
	// To is the receiver's id.
	To uint64
	// Type is etcd's number of its kind: 7 is MsgSnap.
	Type int32
	// Data is the encoded message, etcd's raftpb.Message, and yours to keep.
	Data []byte
}

// Role is what a node is at the moment.
type Role int32

const (
	// RoleFollower follows a leader, or waits for one.
	RoleFollower = Role(C.RFT_ROLE_FOLLOWER)
	// RoleCandidate asks for votes.
	RoleCandidate = Role(C.RFT_ROLE_CANDIDATE)
	// RoleLeader leads.
	RoleLeader = Role(C.RFT_ROLE_LEADER)
	// RolePreCandidate asks whether it would get votes.
	RolePreCandidate = Role(C.RFT_ROLE_PRE_CANDIDATE)
)

// String is the role's name.
func (r Role) String() string {
	switch r {
	case RoleFollower:
		return "follower"
	case RoleCandidate:
		return "candidate"
	case RoleLeader:
		return "leader"
	case RolePreCandidate:
		return "pre-candidate"
	default:
		return "unknown"
	}
}

// Status is how a node stands.
type Status struct {
	// ID is the node's own.
	ID uint64
	// Term is its term, and Vote whom it voted for in that term; 0 is nobody.
	Term, Vote uint64
	// Leader is the one it knows; 0 is none.
	Leader uint64
	// Commit is the last entry known to be committed, Applied the last one applied.
	Commit, Applied uint64
	// FirstIndex is the first entry of the log in memory, LastIndex the last one.
	FirstIndex, LastIndex uint64
	// SnapshotIndex is the entry that the newest snapshot stands at; 0 is none.
	SnapshotIndex uint64
	// Transferee is to whom leadership is being transferred; 0 is nobody.
	Transferee uint64
	// Role is what the node is.
	Role Role
	// LostIndex is the last entry that the disk may have lost although it was acknowledged; 0 when nothing is lost. Until
	// its leader has refilled it the node neither votes nor leads.
	LostIndex uint64
	// DiskFull says that the disk has less room than Config.DiskReserveBytes.
	DiskFull bool
	// HostCall is how long the oldest callback under way takes already, DiskCall the write to the log; 0 when none is.
	HostCall, DiskCall time.Duration
	// Failure is why the node has stopped; nil while it has not.
	Failure error
}

func statusOf(from *C.rft_node_status_t) Status {
	status := Status{
		ID: uint64(from.id), Term: uint64(from.term), Vote: uint64(from.vote), Leader: uint64(from.leader),
		Commit: uint64(from.commit), Applied: uint64(from.applied), FirstIndex: uint64(from.first_index),
		LastIndex: uint64(from.last_index), SnapshotIndex: uint64(from.snapshot_index),
		Transferee: uint64(from.transferee), Role: Role(from.role), LostIndex: uint64(from.lost_index), DiskFull: from.disk_full != 0,
		HostCall: time.Duration(from.host_call_ms) * time.Millisecond,
		DiskCall: time.Duration(from.disk_call_ms) * time.Millisecond,
	}
	if from.failure != C.RFT_OK {
		status.Failure = newError(Code(from.failure), "")
	}
	return status
}

// MemberFlags tell what a member is.
type MemberFlags uint32

const (
	// MemberVoter votes.
	MemberVoter = MemberFlags(C.RFT_MEMBER_VOTER)
	// MemberLearner receives the log and does not vote.
	MemberLearner = MemberFlags(C.RFT_MEMBER_LEARNER)
	// MemberOutgoing votes in the configuration that is being left.
	MemberOutgoing = MemberFlags(C.RFT_MEMBER_OUTGOING)
	// MemberLearnerNext becomes a learner when the joint configuration is left.
	MemberLearnerNext = MemberFlags(C.RFT_MEMBER_LEARNER_NEXT)
)

// Progress is how a leader serves a member.
type Progress int32

const (
	// ProgressUnknown says that this node does not lead.
	ProgressUnknown = Progress(C.RFT_PROGRESS_UNKNOWN)
	// ProgressProbe looks for the place where the logs agree.
	ProgressProbe = Progress(C.RFT_PROGRESS_PROBE)
	// ProgressReplicate sends entries as they come.
	ProgressReplicate = Progress(C.RFT_PROGRESS_REPLICATE)
	// ProgressSnapshot waits until a snapshot has arrived.
	ProgressSnapshot = Progress(C.RFT_PROGRESS_SNAPSHOT)
)

// Member is a member of the cluster, as one node knows it.
type Member struct {
	// ID is the member's.
	ID uint64
	// Flags tell what it is.
	Flags MemberFlags
	// Progress is how the leader serves it.
	Progress Progress
	// Matched is, at a leader, the last entry the member is known to have, and Next the one it gets next.
	Matched, Next uint64
	// RecentActive says, at a leader, whether it was heard of within the last election timeout.
	RecentActive bool
}

// members asks until there was room for all.
func members(ask func(out *C.rft_member_t, room C.size_t, n *C.size_t) error) ([]Member, error) {
	array := make([]C.rft_member_t, 8)
	for {
		var n C.size_t
		if err := ask(&array[0], C.size_t(len(array)), &n); err != nil {
			return nil, err
		}
		if int(n) > len(array) {
			array = make([]C.rft_member_t, int(n))
			continue
		}
		list := make([]Member, int(n))
		for at := range list {
			from := &array[at]
			list[at] = Member{
				ID: uint64(from.id), Flags: MemberFlags(from.flags), Progress: Progress(from.progress),
				Matched: uint64(from.matched), Next: uint64(from.next), RecentActive: from.recent_active != 0,
			}
		}
		return list, nil
	}
}

// ChangeType is what a step of a membership change does to its member.
type ChangeType int32

const (
	// ChangeAddVoter makes it a voter, also when it is a learner.
	ChangeAddVoter = ChangeType(C.RFT_CHANGE_ADD_VOTER)
	// ChangeRemove removes it.
	ChangeRemove = ChangeType(C.RFT_CHANGE_REMOVE)
	// ChangeUpdate changes nothing: every node's state machine sees the context.
	ChangeUpdate = ChangeType(C.RFT_CHANGE_UPDATE)
	// ChangeAddLearner makes it a learner, also when it is a voter.
	ChangeAddLearner = ChangeType(C.RFT_CHANGE_ADD_LEARNER)
)

// Transition is how a membership change passes from the old configuration to the new one.
type Transition int32

const (
	// TransitionAuto changes one member at once, several through a joint configuration that is left automatically. A
	// change without any step leaves a joint configuration.
	TransitionAuto = Transition(C.RFT_TRANSITION_AUTO)
	// TransitionJointImplicit goes through a joint configuration, left automatically.
	TransitionJointImplicit = Transition(C.RFT_TRANSITION_JOINT_IMPLICIT)
	// TransitionJointExplicit goes through one that stays until a change without any step leaves it.
	TransitionJointExplicit = Transition(C.RFT_TRANSITION_JOINT_EXPLICIT)
)

// ChangeStep is one step of a membership change.
type ChangeStep struct {
	// Type is what it does.
	Type ChangeType
	// ID is the member: not 0 and not one of the two largest numbers.
	ID uint64
}

// Change is a membership change.
type Change struct {
	// Steps are what it does.
	Steps []ChangeStep
	// Transition is how it gets there.
	Transition Transition
	// Context are bytes that every node's state machine gets with the change, an address for instance, and that
	// [Engine.MemberBytes] then tells of the one member that is added or updated: 64 KiB at the most.
	Context []byte
	// Forced has an engine make the change even where it is refused with ErrQuorumAtRisk or ErrLearnerBehind without. The
	// group may not be able to commit anything after it.
	Forced bool
}

// transition is the library's number for how an engine is to make the change.
func (c Change) transition() C.int32_t {
	if c.Forced {
		return C.int32_t(c.Transition) | C.RFT_TRANSITION_FORCED
	}
	return C.int32_t(c.Transition)
}

// steps is the change as an array of the library's; nil when there is none.
func (c Change) steps() *C.rft_change_t {
	if len(c.Steps) == 0 {
		return nil
	}
	array := make([]C.rft_change_t, len(c.Steps))
	for at, step := range c.Steps {
		array[at] = C.rft_change_t{node_id: C.uint64_t(step.ID), _type: C.int32_t(step.Type)}
	}
	return &array[0]
}

// entriesOf copies what C lent.
func entriesOf(lent []C.rft_entry_t) []Entry {
	var size C.size_t
	for at := range lent {
		size += lent[at].len
	}
	space := newArena(size)
	list := make([]Entry, len(lent))
	for at := range lent {
		from := &lent[at]
		list[at] = Entry{
			Index: uint64(from.index), Term: uint64(from.term), Type: EntryType(from._type),
			Data: space.copied(from.data, from.len),
		}
	}
	return list
}

// messagesOf copies what C lent.
func messagesOf(lent []C.rft_message_t) []Message {
	var size C.size_t
	for at := range lent {
		size += lent[at].len
	}
	space := newArena(size)
	list := make([]Message, len(lent))
	for at := range lent {
		from := &lent[at]
		list[at] = Message{To: uint64(from.to), Type: int32(from._type), Data: space.copied(from.data, from.len)}
	}
	return list
}
