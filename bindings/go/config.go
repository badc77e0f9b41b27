package rft

// #include "shim.h"
//
// #cgo noescape rft_config_set
// #cgo nocallback rft_config_set
// #cgo noescape rft_config_get
// #cgo nocallback rft_config_get
// #cgo noescape rft_config_add_voter
// #cgo nocallback rft_config_add_voter
// #cgo noescape rft_config_validate
// #cgo nocallback rft_config_validate
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config says how a node is to be. A field that is left zero has the library's default, which [Config.Filled] tells;
// where zero itself has a meaning, a negative number stands for it. Every member of a cluster should have the same
// settings apart from Dir, ID and Seed. Bytes count payload unless told otherwise.
type Config struct {
	// Dir is the directory of an engine or a store, created when it is missing.
	Dir string
	// ID is this node's id: not 0 and not one of the two largest numbers. No default.
	ID uint64
	// Voters are the first members of a new cluster, this node among them, the same at each of them. A node without
	// waits until a leader adds it to a cluster that exists. A directory that is not new keeps the members it knows.
	Voters []uint64
	// ClusterID is the cluster's id, which a directory remembers. Default 1; 0, which is an id in C, cannot be said here.
	ClusterID uint64
	// TickInterval is the time between two ticks of an engine, in whole milliseconds up to a minute. Default 100 ms.
	TickInterval time.Duration
	// ElectionTicks without a leader make a node campaign; the actual number is drawn from this to twice this: 2 to
	// 100000, more than HeartbeatTicks. Default 10.
	ElectionTicks uint64
	// HeartbeatTicks are between two heartbeats of a leader: 1 to 100000. Default 1.
	HeartbeatTicks uint64
	// NoPreVote has a node campaign without asking first whether it would get votes.
	NoPreVote bool
	// NoCheckQuorum has a leader go on when it does not hear from a quorum.
	NoCheckQuorum bool
	// NoForwarding has a follower answer proposals and membership changes with ErrNotLeader, instead of handing them
	// to the leader.
	NoForwarding bool
	// MessageBytesMax limits the entries in one message: 1 to 1 GiB. Default 1 MiB.
	MessageBytesMax uint64
	// InflightMessagesMax limits the messages with entries on their way to one peer: 1 to 65536. Default 256.
	InflightMessagesMax uint64
	// InflightBytesMax limits their bytes, not below MessageBytesMax. Default 16 MiB, negative unlimited.
	InflightBytesMax int64
	// UncommittedBytesMax is what a leader holds before it answers more with ErrDropped, and what may be committed and not
	// applied before a follower's engine passes over what its leader sends, which comes again. Default 64 MiB, negative
	// unlimited.
	UncommittedBytesMax int64
	// ApplyBytesMax limits the entries given to the state machine at once: 1 to 1 GiB. Default 1 MiB.
	ApplyBytesMax uint64
	// ProposalBytesMax limits one proposal: 1 to 1 GiB. Default 8 MiB. More gives ErrTooLarge.
	ProposalBytesMax uint64
	// QueueItemsMax limits the calls and messages waiting in an engine: 1 to 16777216. Default 8192. More gives ErrBusy,
	// and so do as many on their way to the leader, and sixteen times as many that wait to be applied or told.
	QueueItemsMax uint64
	// QueueBytesMax limits their bytes: 1 to 1 TiB, not below ProposalBytesMax. Default 64 MiB.
	QueueBytesMax uint64
	// SegmentBytes is the size of a segment of the write-ahead log: 4096 to 1 TiB. Default 64000000.
	SegmentBytes uint64
	// SnapshotEntries is after how many applied entries an engine takes a snapshot. Default 10000, negative never but
	// by call or when a peer needs one.
	SnapshotEntries int64
	// SnapshotTrailing is how many entries stay in memory behind a snapshot, for slow followers. Default 5000, negative
	// none.
	SnapshotTrailing int64
	// SnapshotChunkBytes is the size of the chunks in which an engine sends a longer snapshot: 1024 to 64 MiB. Default
	// 256 KiB.
	SnapshotChunkBytes uint64
	// DiskReserveBytes of the disk are kept for the log: with less left, an engine that leads answers proposals with
	// ErrDiskFull. Default 64 MiB, negative none.
	DiskReserveBytes int64
	// ForceNewCluster is the last resort when the quorum is lost for good, on one survivor: the node goes on as the only
	// voter of a new group of this number, with all the entries that it holds. What only the others held is lost, and
	// they have to begin anew with empty directories: if they are not dead but cut off, there are two truths. A restart
	// with the same number is harmless. Default 0, which is no.
	ForceNewCluster uint64
	// LeaseReads has a leader answer reads by its lease, without asking the others. All members must agree on it. It
	// trusts that no member's clock runs faster than another's by more than ClockDriftPercent; a virtual machine whose
	// clocks stand still while it is paused must not use it.
	LeaseReads bool
	// ClockDriftPercent is how much faster the fastest clock may run than the slowest: up to 99. Default 10, negative none.
	ClockDriftPercent int64
	// WaitForRoom has requests wait for room in a full queue, as long as their context lasts, instead of ending with
	// ErrBusy at once. With a context that ends before there is room they do so then: nothing was taken.
	WaitForRoom bool
	// SnapshotBytes is after how many bytes of applied entries an engine takes a snapshot, too. Default never.
	SnapshotBytes uint64
	// SnapshotSendBytesPerSecond limits what an engine that leads sends of snapshots: 1024 to 1 TiB. Default unlimited.
	SnapshotSendBytesPerSecond uint64
	// Trace has the logger of an engine get a line of LevelTrace for each step of consensus, a JSON object in the form that
	// etcd's TLA+ specification of Raft reads. Many, and not free.
	Trace bool
	// NoDirectWrites has the write-ahead log written through the system's cache. By default it is written past it, each
	// write durable when it returns: less work for the processor and, on most disks, less waiting. It may change from one
	// start to the next. What was committed last is by default written with the next entries only: a process that is killed
	// starts from before it, and hears of it again. Where the file system refuses such writes the log goes through the
	// cache, and [EventRecovered] and the logger of an engine say so.
	NoDirectWrites bool
	// Seed decides the election timeouts. By default a node takes its id, and an engine its id and the clock. The seed 0
	// cannot be said here.
	Seed uint64
}

// Validate says whether a node could start with this configuration: nil, or an [*Error] that names what is wrong.
func (c Config) Validate() error {
	config, err := c.build()
	if err != nil {
		return err
	}
	defer C.rft_config_free(config)
	var object *C.rft_error_t
	return inGo(failure(C.rft_config_validate(config, &object), object))
}

// Filled is the configuration with the default in every field that was zero. Seed stays zero.
func (c Config) Filled() (Config, error) {
	config, err := c.build()
	if err != nil {
		return c, err
	}
	defer C.rft_config_free(config)
	for _, setting := range c.settings() {
		var object *C.rft_error_t
		var value C.uint64_t
		if err := failure(C.rft_config_get(config, setting.key, &value, &object), object); err != nil {
			return c, err
		}
		setting.field.fill(uint64(value))
	}
	return c, nil
}

// build makes the library's configuration, which the caller frees.
func (c Config) build() (*C.rft_config_t, error) {
	if errVersion != nil {
		return nil, errVersion
	}
	if c.TickInterval < 0 || c.TickInterval%time.Millisecond != 0 {
		text := "bad configuration: TickInterval is %v: it must be whole milliseconds, not below 0"
		return nil, newError(ErrConfig, fmt.Sprintf(text, c.TickInterval))
	}
	config := C.rft_config_new()
	if config == nil {
		return nil, newError(ErrBusy, "there is no memory for a configuration")
	}
	for _, setting := range c.settings() {
		if value, given := setting.field.given(); given {
			var object *C.rft_error_t
			if err := failure(C.rft_config_set(config, setting.key, C.uint64_t(value), &object), object); err != nil {
				C.rft_config_free(config)
				return nil, inGo(err)
			}
		}
	}
	for _, voter := range c.Voters {
		var object *C.rft_error_t
		if err := failure(C.rft_config_add_voter(config, C.uint64_t(voter), &object), object); err != nil {
			C.rft_config_free(config)
			return nil, err
		}
	}
	return config, nil
}

// inGo has an error name the fields of Config, in place of the settings of C.
func inGo(err error) error {
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	words := strings.Split(known.Message, " ")
	for at, word := range words {
		if name, is := strings.CutPrefix(word, "RFT_CONFIG_"); is {
			words[at] = fieldOf(name)
		}
	}
	known.Message = strings.Join(words, " ")
	return err
}

func fieldOf(name string) string {
	switch name {
	case "TICK_INTERVAL_MS":
		return "TickInterval in milliseconds"
	case "CHECK_QUORUM":
		return "NoCheckQuorum to be false" // the one thing that is said of it is that it is needed
	}
	words := strings.Split(name, "_")
	for at, word := range words {
		if word != "ID" {
			words[at] = word[:1] + strings.ToLower(word[1:])
		}
	}
	return strings.Join(words, "")
}

// setting is a field of Config with the library's number for it.
type setting struct {
	key   C.int32_t
	field field
}

func (c *Config) settings() []setting {
	return []setting{
		{C.RFT_CONFIG_ID, plain{&c.ID}},
		{C.RFT_CONFIG_CLUSTER_ID, plain{&c.ClusterID}},
		{C.RFT_CONFIG_TICK_INTERVAL_MS, milliseconds{&c.TickInterval}},
		{C.RFT_CONFIG_ELECTION_TICKS, plain{&c.ElectionTicks}},
		{C.RFT_CONFIG_HEARTBEAT_TICKS, plain{&c.HeartbeatTicks}},
		{C.RFT_CONFIG_PRE_VOTE, without{&c.NoPreVote}},
		{C.RFT_CONFIG_CHECK_QUORUM, without{&c.NoCheckQuorum}},
		{C.RFT_CONFIG_MESSAGE_BYTES_MAX, plain{&c.MessageBytesMax}},
		{C.RFT_CONFIG_INFLIGHT_MESSAGES_MAX, plain{&c.InflightMessagesMax}},
		{C.RFT_CONFIG_INFLIGHT_BYTES_MAX, orZero{&c.InflightBytesMax}},
		{C.RFT_CONFIG_UNCOMMITTED_BYTES_MAX, orZero{&c.UncommittedBytesMax}},
		{C.RFT_CONFIG_APPLY_BYTES_MAX, plain{&c.ApplyBytesMax}},
		{C.RFT_CONFIG_PROPOSAL_BYTES_MAX, plain{&c.ProposalBytesMax}},
		{C.RFT_CONFIG_QUEUE_ITEMS_MAX, plain{&c.QueueItemsMax}},
		{C.RFT_CONFIG_QUEUE_BYTES_MAX, plain{&c.QueueBytesMax}},
		{C.RFT_CONFIG_SEGMENT_BYTES, plain{&c.SegmentBytes}},
		{C.RFT_CONFIG_SNAPSHOT_ENTRIES, orZero{&c.SnapshotEntries}},
		{C.RFT_CONFIG_SNAPSHOT_TRAILING, orZero{&c.SnapshotTrailing}},
		{C.RFT_CONFIG_SNAPSHOT_CHUNK_BYTES, plain{&c.SnapshotChunkBytes}},
		{C.RFT_CONFIG_SEED, plain{&c.Seed}},
		{C.RFT_CONFIG_FORWARD_PROPOSALS, without{&c.NoForwarding}},
		{C.RFT_CONFIG_DISK_RESERVE_BYTES, orZero{&c.DiskReserveBytes}},
		{C.RFT_CONFIG_FORCE_NEW_CLUSTER, plain{&c.ForceNewCluster}},
		{C.RFT_CONFIG_LEASE_READS, with{&c.LeaseReads}},
		{C.RFT_CONFIG_CLOCK_DRIFT_PERCENT, orZero{&c.ClockDriftPercent}},
		{C.RFT_CONFIG_WAIT_FOR_ROOM, with{&c.WaitForRoom}},
		{C.RFT_CONFIG_SNAPSHOT_BYTES, plain{&c.SnapshotBytes}},
		{C.RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND, plain{&c.SnapshotSendBytesPerSecond}},
		{C.RFT_CONFIG_TRACE, with{&c.Trace}},
		{C.RFT_CONFIG_DIRECT_WRITES, without{&c.NoDirectWrites}},
	}
}

// field turns what stands in a Config into the library's number, and back.
type field interface {
	given() (value uint64, given bool)
	fill(value uint64)
}

// plain is a number that may not be zero.
type plain struct{ at *uint64 }

func (f plain) given() (uint64, bool) { return *f.at, *f.at != 0 }
func (f plain) fill(value uint64)     { *f.at = value }

// orZero is a number whose zero is written as a negative one.
type orZero struct{ at *int64 }

func (f orZero) given() (uint64, bool) { return uint64(max(*f.at, 0)), *f.at != 0 }
func (f orZero) fill(value uint64) {
	if *f.at = int64(value); value == 0 {
		*f.at = -1
	}
}

// milliseconds is a time, a whole number of them.
type milliseconds struct{ at *time.Duration }

func (f milliseconds) given() (uint64, bool) { return uint64(f.at.Milliseconds()), *f.at != 0 }
func (f milliseconds) fill(value uint64)     { *f.at = time.Duration(value) * time.Millisecond }

// without is a switch that is on unless it is turned off.
type without struct{ at *bool }

func (f without) given() (uint64, bool) { return 0, *f.at }
func (f without) fill(value uint64)     { *f.at = value == 0 }

// with is a switch that is off unless it is turned on.
type with struct{ at *bool }

func (f with) given() (uint64, bool) { return 1, *f.at }
func (f with) fill(value uint64)     { *f.at = value != 0 }
