package etcdhttp

import (
	"encoding/binary"
	"errors"
)

// Numbers of raftpb.MessageType.
const (
	msgApp       = 3
	msgSnap      = 7
	msgHeartbeat = 8
)

// Tags of raftpb.Message, as they stand on the wire: the number, and 2 in the last bits where bytes follow.
const (
	tagType    = 1 << 3
	tagTo      = 2 << 3
	tagFrom    = 3 << 3
	tagTerm    = 4 << 3
	tagLogTerm = 5 << 3
	tagIndex   = 6 << 3
	tagEntries = 7<<3 | 2
	tagCommit  = 8 << 3

	tagEntryIndex = 3 << 3
)

var errMessage = errors.New("etcdhttp: the bytes are not a message")

// message is as much of a raftpb.Message as the framing has to know.
type message struct {
	kind, to, from, term, logTerm, index, commit uint64
	entries                                      uint64 // how many
	lastEntry                                    []byte // pointing into the message
	more                                         bool   // it says something else, too
}

// walk calls a function for every field of a protobuf message: with its tag, and its number or its bytes.
func walk(data []byte, field func(tag, number uint64, bytes []byte)) error {
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return errMessage
		}
		data = data[n:]
		var number uint64
		var bytes []byte
		switch tag & 7 {
		case 0:
			if number, n = binary.Uvarint(data); n <= 0 {
				return errMessage
			}
			data = data[n:]
		case 1, 5:
			size := 8
			if tag&7 == 5 {
				size = 4
			}
			if len(data) < size {
				return errMessage
			}
			bytes, data = data[:size], data[size:]
		case 2:
			size, n := binary.Uvarint(data)
			if n <= 0 || size > uint64(len(data)-n) {
				return errMessage
			}
			data = data[n:]
			bytes, data = data[:size], data[size:]
		default:
			return errMessage
		}
		field(tag, number, bytes)
	}
	return nil
}

func parseMessage(data []byte) (message, error) {
	var m message
	err := walk(data, func(tag, number uint64, bytes []byte) {
		switch tag {
		case tagType:
			m.kind = number
		case tagTo:
			m.to = number
		case tagFrom:
			m.from = number
		case tagTerm:
			m.term = number
		case tagLogTerm:
			m.logTerm = number
		case tagIndex:
			m.index = number
		case tagEntries:
			m.entries++
			m.lastEntry = bytes
		case tagCommit:
			m.commit = number
		default:
			// etcd's nodes up to 3.6 write all numbers, also those that are zero.
			m.more = m.more || number != 0 || len(bytes) > 0
		}
	})
	return m, err
}

// last is the index of the last entry, or of the one before the entries where there are none.
func (m *message) last() (uint64, error) {
	if m.entries == 0 {
		return m.index, nil
	}
	var index uint64
	err := walk(m.lastEntry, func(tag, number uint64, _ []byte) {
		if tag == tagEntryIndex {
			index = number
		}
	})
	return index, err
}

// isLinkHeartbeat tells the heartbeat of a stream from those of raft, which have a sender.
func (m *message) isLinkHeartbeat() bool {
	return m.kind == msgHeartbeat && m.from == 0 && m.to == 0
}

func appendNumber(to []byte, tag, number uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(to, tag), number)
}
