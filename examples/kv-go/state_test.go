package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

func applied(t *testing.T, s *state, index uint64, c command) answer {
	t.Helper()
	text, err := s.apply(rft.Entry{Index: index, Type: rft.EntryNormal, Data: c.encode()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseAnswer(text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func changed(s *state, index uint64, context string) error {
	_, err := s.apply(rft.Entry{Index: index, Type: rft.EntryConfChange, Data: []byte(context)})
	return err
}

func encoded(t *testing.T, s *state) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The bytes that all hosts of the service share: ../README.md's example.
func TestExample(t *testing.T) {
	want, err := hex.DecodeString(strings.ReplaceAll(
		"52 46 54 4b 56 00 00 02 05 00 00 00 00 00 00 00"+
			"01 00 00 00 01 00 00 00 00 00 00 00 03 00 00 00 61 3a 31"+
			"02 00 00 00 00 00 00 00"+
			"01 00 00 00 68 04 00 00 00 00 00 00 00 00 00 00 00"+
			"02 00 00 00 68 69 05 00 00 00 00 00 00 00 03 00 00 00 79 6f 75", " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	s := newState(nil)
	if err := errors.Join(changed(&s, 2, "1=a:1,2=b:2"), changed(&s, 3, "2=")); err != nil {
		t.Fatal(err)
	}
	applied(t, &s, 4, command{op: opPut, key: "h"})
	applied(t, &s, 5, command{op: opPut, key: "hi", value: []byte("you")})
	if got := encoded(t, &s); !bytes.Equal(got, want) {
		t.Errorf("% x", got)
	}
	if got := fmt.Sprintf("%016x", s.hash()); got != "584b294d742c33d5" {
		t.Error(got)
	}
	again, err := decodeState(iotest.OneByteReader(bytes.NewReader(want)))
	if err != nil || again.hash() != s.hash() || again.members.address(1) != "a:1" {
		t.Error(again, err)
	}
	for size := range want {
		if _, err := decodeState(bytes.NewReader(want[:size])); !errors.Is(err, errState) {
			t.Errorf("%d bytes of it: %v", size, err)
		}
	}
	if _, err := decodeState(bytes.NewReader(append(want, 'x'))); !errors.Is(err, errState) {
		t.Error("a byte more:", err)
	}
	if _, err := decodeState(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// Lengths that nobody can have written size no allocation.
func TestDecodeRefusesLengths(t *testing.T) {
	s := newState(nil)
	applied(t, &s, 1, command{op: opPut, key: "k", value: []byte("v")})
	good := encoded(t, &s)
	for at := len(magic) + 8; at < len(good); at++ {
		bad := bytes.Clone(good)
		copy(bad[at:], "\xff\xff\xff\xff\xff\xff\xff\xff")
		allocated := testing.AllocsPerRun(1, func() { _, _ = decodeState(bytes.NewReader(bad)) })
		if allocated > 100 {
			t.Error(at, allocated)
		}
	}
	twice := newState(nil)
	applied(t, &twice, 1, command{op: opPut, key: "j", value: []byte("v")})
	applied(t, &twice, 1, command{op: opPut, key: "k", value: []byte("v")})
	if _, err := decodeState(bytes.NewReader(bytes.ReplaceAll(encoded(t, &twice), []byte("j"), []byte("k")))); err == nil {
		t.Error("the same key twice")
	}
}

func TestCommandBytes(t *testing.T) {
	for _, try := range []struct {
		c    command
		want string
	}{
		{command{op: opPut, key: "hi", value: []byte("you")}, "010200000068 69796f75"},
		{command{op: opDelete, key: "k"}, "0201000000 6b"},
		{command{op: opPutIf, key: "k", revision: 258, value: []byte("v")}, "0301000000 6b 0201000000000000 76"},
		{command{op: opDeleteIf, key: "k"}, "0401000000 6b 0000000000000000"},
	} {
		text := try.c.encode()
		if hex.EncodeToString(text) != strings.ReplaceAll(try.want, " ", "") {
			t.Errorf("% x", text)
		}
		again, err := parseCommand(text)
		if err != nil || again.key != try.c.key || again.revision != try.c.revision || !bytes.Equal(again.value, try.c.value) {
			t.Error(again, err)
		}
	}
	if got := (answer{true, 258}).encode(); !bytes.Equal(got, []byte{1, 2, 1, 0, 0, 0, 0, 0, 0}) {
		t.Error(got)
	}
	for _, bad := range []string{"", "\x01", "\x01\xff\xff\xff\xffk", "\x01\x00\x00\x00\x00v", "\x05\x01\x00\x00\x00k",
		"\x00\x01\x00\x00\x00k", "\x03\x01\x00\x00\x00k1234567", "\x01\x02\x00\x00\x00k",
		"\x01\x01\x04\x00\x00" + strings.Repeat("k", 1025), "\x01\x01\x00\x00\x00k" + strings.Repeat("v", valueMax+1)} {
		s := newState(nil)
		if _, err := parseCommand([]byte(bad)); !errors.Is(err, errCommand) {
			t.Errorf("%.20q: %v", bad, err)
		}
		if _, err := s.apply(rft.Entry{Index: 7, Data: []byte(bad)}); bad != "" && (err == nil || s.applied != 0) {
			t.Errorf("%.20q was applied", bad)
		}
	}
}

func TestConditions(t *testing.T) {
	s := newState(nil)
	for _, try := range []struct {
		index uint64
		c     command
		want  answer
	}{
		{1, command{op: opPutIf, key: "k", revision: 9}, answer{false, 0}},
		{2, command{op: opDeleteIf, key: "k"}, answer{true, 0}},
		{3, command{op: opPutIf, key: "k", value: []byte("a")}, answer{true, 3}},
		{4, command{op: opPutIf, key: "k", value: []byte("b")}, answer{false, 3}},
		{5, command{op: opPutIf, key: "k", revision: 3, value: []byte("c")}, answer{true, 5}},
		{6, command{op: opDeleteIf, key: "k", revision: 3}, answer{false, 5}},
		{7, command{op: opPut, key: "k", value: []byte("d")}, answer{true, 7}},
		{8, command{op: opDeleteIf, key: "k", revision: 7}, answer{true, 0}},
		{9, command{op: opDelete, key: "k"}, answer{true, 0}},
	} {
		if got := applied(t, &s, try.index, try.c); got != try.want {
			t.Errorf("%d: %+v", try.index, got)
		}
	}
	if s.applied != 9 || len(s.pairs) != 0 {
		t.Error(s)
	}
}

func TestBook(t *testing.T) {
	b, err := book(nil).following("3=c:3,1=a:1,2=b:2,1=a:9,2=")
	if err != nil || len(b) != 2 || b.address(1) != "a:9" || b.address(2) != "" || b.address(3) != "c:3" {
		t.Error(b, err)
	}
	for _, bad := range []string{"x=y", "1", "0=a:1", "+1=a:1", "1=" + strings.Repeat("a", 256), ",", "1=a:1,,2=b:2"} {
		if _, err := b.following(bad); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
	for id := uint64(10); len(b) < membersMax; id++ {
		if b, err = b.with(id, "x:1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.following("5=x:1"); err == nil {
		t.Error("one too many")
	}
	// A change has been made when it is applied: a book without room must not end every node.
	b, err = b.changed("5=x:1,10=,6=y:1,11=z:1")
	if err != nil || len(b) != membersMax || b.address(5) != "" || b.address(6) != "y:1" || b.address(11) != "z:1" {
		t.Error(b, err)
	}
	if _, err := b.changed("11=" + strings.Repeat("a", 256)); err == nil {
		t.Error("an address of 256 bytes was taken")
	}
}
