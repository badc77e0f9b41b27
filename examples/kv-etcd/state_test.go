package main

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// The example of ../README.md.
const example = `52 46 54 4b 56 00 00 02  05 00 00 00 00 00 00 00
	01 00 00 00  01 00 00 00 00 00 00 00  03 00 00 00 61 3a 31
	02 00 00 00 00 00 00 00
	01 00 00 00 68  04 00 00 00 00 00 00 00  00 00 00 00
	02 00 00 00 68 69  05 00 00 00 00 00 00 00  03 00 00 00 79 6f 75`

func exampleBytes(t *testing.T) []byte {
	data, err := hex.DecodeString(strings.Join(strings.Fields(example), ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func exampleState(t *testing.T) state {
	s := newState(book{1: "a:1"})
	for index, c := range map[uint64]command{4: {op: opPut, key: "h"}, 5: {op: opPutIf, key: "hi", value: []byte("you")}} {
		if _, err := s.apply(index, c.encode()); err != nil {
			t.Fatal(err)
		}
	}
	s.applied = 5
	return s
}

func TestStateAsBytes(t *testing.T) {
	s := exampleState(t)
	if !slices.Equal(s.encode(), exampleBytes(t)) || s.hash() != 0x584b294d742c33d5 {
		t.Fatalf("%x, hash %x", s.encode(), s.hash())
	}
	again, err := decodeState(s.encode())
	if err != nil || again.hash() != s.hash() {
		t.Fatalf("%v, %v", again, err)
	}
}

func TestSnapshotOfAnEngine(t *testing.T) {
	part := func(name string, n int) []byte {
		return append(binary.LittleEndian.AppendUint64([]byte(name), uint64(n)), make([]byte, n)...)
	}
	s := exampleState(t)
	for _, front := range [][]byte{part("rftmemb1", 40), part("rftsess1", 8), append(part("rftmemb1", 0), part("rftsess1", 8)...)} {
		again, err := decodeState(append(front, s.encode()...))
		if err != nil || again.hash() != s.hash() {
			t.Fatalf("behind %q: %v", front, err)
		}
	}
}

func TestBytesThatAreCutOrTooLong(t *testing.T) {
	data := exampleBytes(t)
	for n := range data {
		if _, err := decodeState(data[:n]); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(data))
		}
	}
	if _, err := decodeState(append(data, 0)); err == nil {
		t.Fatal("a byte behind the end was taken")
	}
	for _, bad := range []string{"01", "0101000000", "01000000006b", "0501000000616b", "030100000061ff", "02010000006162"} {
		bytes, _ := hex.DecodeString(bad)
		if _, err := decodeCommand(bytes); err == nil {
			t.Errorf("command %s was taken", bad)
		}
	}
}

func TestConditions(t *testing.T) {
	s := newState(book{})
	for i, step := range []struct {
		command command
		want    answer
	}{
		{command{op: opPutIf, key: "k", value: []byte("a")}, answer{true, 1}},
		{command{op: opPutIf, key: "k", value: []byte("b")}, answer{false, 1}},
		{command{op: opPutIf, key: "k", revision: 1, value: []byte("c")}, answer{true, 3}},
		{command{op: opDeleteIf, key: "k", revision: 1}, answer{false, 3}},
		{command{op: opDeleteIf, key: "k", revision: 3}, answer{true, 0}},
		{command{op: opDelete, key: "k"}, answer{true, 0}},
		{command{op: opPut, key: "k"}, answer{true, 7}},
	} {
		if got, err := s.apply(uint64(i+1), step.command.encode()); err != nil || got != step.want {
			t.Errorf("step %d: %v, %v", i+1, got, err)
		}
	}
}

func TestBook(t *testing.T) {
	b := book{1: "a:1", 2: "b:2"}
	if fits, err := b.parse("3=c:3,2="); err != nil || !fits || len(b) != 2 || b[3] != "c:3" {
		t.Fatalf("%v, %v", b, err)
	}
	for id := uint64(10); len(b) < membersMax; id++ {
		b[id] = "x:1"
	}
	fits, err := b.parse("4=d:4,10=,5=e:5,11=f:6")
	if err != nil || fits || len(b) != membersMax || b[4] != "" || b[5] != "e:5" || b[11] != "f:6" {
		t.Fatalf("a full book: %v, %v", b, err)
	}
	for _, bad := range []string{"x=a:1", "0=a:1", "4", "1=a:1,,", "=a:1"} {
		if _, err := b.parse(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
