package main

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	keyMax     = 1024
	valueMax   = 4 << 20
	addressMax = 255

	opPut      = 1
	opDelete   = 2
	opPutIf    = 3
	opDeleteIf = 4

	commandHead = 5 // op u8, key_len u32
)

var (
	magic = []byte{'R', 'F', 'T', 'K', 'V', 0, 0, 2}
	// Parts that an engine of raft-ffi puts in front of its host's bytes. They say nothing that this service needs.
	engineParts = []string{"rftmemb1", "rftsess1"}

	errDecode = errors.New("these bytes are none of this service")
)

// item is a key's value, and the index of the entry that wrote it.
type item struct {
	value    []byte
	revision uint64
}

// state is what the log makes of nothing: the same on every node that has applied the same index.
type state struct {
	applied uint64
	book    book
	items   map[string]item
}

func newState(first book) state { return state{book: maps.Clone(first), items: map[string]item{}} }

// book says where the nodes answer.
type book map[uint64]string

// parse takes over a list like "4=127.0.0.1:7004,2=": an empty address forgets the node. One that has no room is left
// out, by every node alike: a change that has been made cannot be refused any more.
func (b book) parse(text string) (fits bool, err error) {
	fits = true
	if text == "" {
		return fits, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		number, address, found := strings.Cut(part, "=")
		id, err := strconv.ParseUint(number, 10, 64)
		if !found || err != nil || id == 0 || len(address) > addressMax {
			return false, errDecode
		}
		switch {
		case address == "":
			delete(b, id)
		case b[id] == "" && len(b) == membersMax:
			fits = false
		default:
			b[id] = address
		}
	}
	return fits, nil
}

// isAddress says whether clients may give this as HOST:PORT.
func isAddress(text string) bool {
	colon := strings.LastIndexByte(text, ':')
	if colon < 1 || len(text) > addressMax {
		return false
	}
	port, err := strconv.ParseUint(text[colon+1:], 10, 16)
	isOther := func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("-._:[]", c))
	}
	return err == nil && port > 0 && !strings.ContainsFunc(text[:colon], isOther)
}

// command is one write, as it stands in the log.
type command struct {
	op       byte
	key      string
	revision uint64 // of opPutIf and opDeleteIf
	value    []byte
}

func (c command) encode() []byte {
	out := append([]byte{c.op}, u32(len(c.key))...)
	out = append(out, c.key...)
	if c.op == opPutIf || c.op == opDeleteIf {
		out = binary.LittleEndian.AppendUint64(out, c.revision)
	}
	return append(out, c.value...)
}

func decodeCommand(data []byte) (command, error) {
	if len(data) < commandHead {
		return command{}, errDecode
	}
	c := command{op: data[0]}
	keyLen, rest := binary.LittleEndian.Uint32(data[1:]), data[commandHead:]
	if keyLen == 0 || keyLen > keyMax || int(keyLen) > len(rest) {
		return command{}, errDecode
	}
	c.key, rest = string(rest[:keyLen]), rest[keyLen:]
	if c.op == opPutIf || c.op == opDeleteIf {
		if len(rest) < 8 {
			return command{}, errDecode
		}
		c.revision, rest = binary.LittleEndian.Uint64(rest), rest[8:]
	}
	c.value = rest
	isDelete := c.op == opDelete || c.op == opDeleteIf
	// An op that is not known is a newer program's. To skip it would be to differ from the nodes that know it.
	if c.op < opPut || c.op > opDeleteIf || len(rest) > valueMax || isDelete && len(rest) > 0 {
		return command{}, errDecode
	}
	return c, nil
}

// answer is what became of a command: whether it was done, and the key's revision behind it, 0 without the key.
type answer struct {
	done     bool
	revision uint64
}

// apply takes over a command; one of no bytes is a new leader's first entry, or a change that was refused.
func (s *state) apply(index uint64, data []byte) (answer, error) {
	s.applied = index
	if len(data) == 0 {
		return answer{done: true}, nil
	}
	c, err := decodeCommand(data)
	if err != nil {
		return answer{}, err
	}
	now := s.items[c.key].revision
	if (c.op == opPutIf || c.op == opDeleteIf) && now != c.revision {
		return answer{revision: now}, nil
	}
	if c.op == opDelete || c.op == opDeleteIf {
		delete(s.items, c.key)
		return answer{done: true}, nil
	}
	s.items[c.key] = item{slices.Clone(c.value), index}
	return answer{done: true, revision: index}, nil
}

// applyChange takes over the context of a membership change.
func (s *state) applyChange(index uint64, context []byte) error {
	s.applied = index
	_, err := s.book.parse(string(context))
	return err
}

func u32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// encode gives the state as bytes, which are a snapshot's.
func (s *state) encode() []byte {
	out := binary.LittleEndian.AppendUint64(slices.Clone(magic), s.applied)
	out = append(out, u32(len(s.book))...)
	for _, id := range slices.Sorted(maps.Keys(s.book)) {
		out = binary.LittleEndian.AppendUint64(out, id)
		out = append(out, u32(len(s.book[id]))...)
		out = append(out, s.book[id]...)
	}
	out = binary.LittleEndian.AppendUint64(out, uint64(len(s.items)))
	for _, key := range slices.Sorted(maps.Keys(s.items)) {
		it := s.items[key]
		out = append(out, u32(len(key))...)
		out = append(out, key...)
		out = binary.LittleEndian.AppendUint64(out, it.revision)
		out = append(out, u32(len(it.value))...)
		out = append(out, it.value...)
	}
	return out
}

func (s *state) hash() uint64 {
	hash := fnv.New64a()
	hash.Write(s.encode())
	return hash.Sum64()
}

// reader takes fields from the front; the first that is not there fails all behind it.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) bytes(n uint64, max uint64) []byte {
	if r.failed || n > max || n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) u32() uint64 {
	b := r.bytes(4, 4)
	if b == nil {
		return 0
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

func (r *reader) u64() uint64 {
	b := r.bytes(8, 8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// skipParts steps over what an engine has put in front.
func (r *reader) skipParts() {
	for _, part := range engineParts {
		if strings.HasPrefix(string(r.rest[:min(8, len(r.rest))]), part) {
			r.bytes(8, 8)
			r.bytes(r.u64(), uint64(len(r.rest)))
		}
	}
}

// decodeState reads a snapshot's bytes, those of a host under raft-ffi's engine too.
func decodeState(data []byte) (state, error) {
	r := &reader{rest: data}
	r.skipParts()
	if string(r.bytes(uint64(len(magic)), 8)) != string(magic) {
		return state{}, errDecode
	}
	s := newState(book{})
	s.applied = r.u64()
	for n := r.u32(); n > 0 && !r.failed; n-- {
		id := r.u64()
		s.book[id] = string(r.bytes(r.u32(), addressMax))
	}
	for n := r.u64(); n > 0 && !r.failed; n-- {
		key := string(r.bytes(r.u32(), keyMax))
		revision := r.u64()
		s.items[key] = item{slices.Clone(r.bytes(r.u32(), valueMax)), revision}
	}
	if r.failed || len(r.rest) > 0 {
		return state{}, errDecode
	}
	return s, nil
}
