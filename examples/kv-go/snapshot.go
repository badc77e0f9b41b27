package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"maps"
	"slices"
)

// magic begins a state's bytes; the last of it is the format's number.
const magic = "RFTKV\x00\x00\x02"

var errState = errors.New("these bytes are not a state of this service")

// encode writes the state's bytes, which are a snapshot's.
func (s *state) encode(to io.Writer) error {
	out := bufio.NewWriterSize(to, 64<<10) // its first error stays
	number := func(value uint64, size int) {
		var bytes [8]byte
		binary.LittleEndian.PutUint64(bytes[:], value)
		_, _ = out.Write(bytes[:size])
	}
	_, _ = out.WriteString(magic)
	number(s.applied, 8)
	number(uint64(len(s.members)), 4)
	for _, m := range s.members {
		number(m.id, 8)
		number(uint64(len(m.address)), 4)
		_, _ = out.WriteString(m.address)
	}
	number(uint64(len(s.pairs)), 8)
	for _, key := range slices.Sorted(maps.Keys(s.pairs)) {
		pair := s.pairs[key]
		number(uint64(len(key)), 4)
		_, _ = out.WriteString(key)
		number(pair.revision, 8)
		number(uint64(len(pair.value)), 4)
		_, _ = out.Write(pair.value)
	}
	return out.Flush()
}

// hash is FNV-1a over the state's bytes.
func (s *state) hash() uint64 {
	sum := fnv.New64a()
	_ = s.encode(sum) // it takes everything
	return sum.Sum64()
}

// decoder reads a state's bytes. Its first error stays, and all that is read behind it is zero.
type decoder struct {
	from *bufio.Reader
	err  error
}

func (d *decoder) take(n int) []byte {
	out := make([]byte, n)
	if d.err != nil {
		return out
	}
	if _, d.err = io.ReadFull(d.from, out); d.err == io.EOF || d.err == io.ErrUnexpectedEOF {
		d.err = errState
	}
	return out
}

func (d *decoder) number(size int) uint64 {
	var bytes [8]byte
	copy(bytes[:], d.take(size))
	return binary.LittleEndian.Uint64(bytes[:])
}

// length takes a length; one outside of its range was never written by us, and must not size an allocation.
func (d *decoder) length(least, most uint64) int {
	n := d.number(4)
	d.check(n >= least && n <= most)
	if d.err != nil {
		return 0
	}
	return int(n)
}

func (d *decoder) check(ok bool) {
	if d.err == nil && !ok {
		d.err = errState
	}
}

func decodeState(from io.Reader) (state, error) {
	d := &decoder{from: bufio.NewReaderSize(from, 64<<10)}
	s := newState(nil)
	d.check(string(d.take(len(magic))) == magic)
	s.applied = d.number(8)
	for left := d.length(0, membersMax); left > 0 && d.err == nil; left-- {
		m := member{id: d.number(8)}
		m.address = string(d.take(d.length(1, addressMax)))
		d.check(len(s.members) == 0 || m.id > s.members[len(s.members)-1].id)
		s.members = append(s.members, m)
	}
	last := ""
	for left := d.number(8); left > 0 && d.err == nil; left-- {
		key := string(d.take(d.length(1, keyMax)))
		revision := d.number(8)
		value := d.take(d.length(0, valueMax))
		d.check(key > last)
		last = key
		s.pairs[key] = pair{revision, value}
	}
	if d.err == nil {
		_, err := d.from.ReadByte()
		d.check(err == io.EOF)
	}
	return s, d.err
}
