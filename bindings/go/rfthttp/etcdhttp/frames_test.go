package etcdhttp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// app is a MsgApp from 1 to 2 with entries behind an index, all of one term.
func app(term, index, commit uint64, entries int) []byte {
	data := appendNumber(nil, tagType, msgApp)
	data = appendNumber(data, tagTo, 2)
	data = appendNumber(data, tagFrom, 1)
	data = appendNumber(data, tagTerm, term)
	data = appendNumber(data, tagLogTerm, term)
	data = appendNumber(data, tagIndex, index)
	for at := range entries {
		entry := appendNumber([]byte{0x10, byte(term)}, tagEntryIndex, index+1+uint64(at))
		data = append(appendNumber(data, tagEntries, uint64(len(entry))), entry...)
	}
	return appendNumber(data, tagCommit, commit)
}

func newAppDecoder(from io.Reader) *appDecoder {
	return &appDecoder{from: from, most: 1 << 20, local: 2, remote: 1, short: new(atomic.Uint64)}
}

// What etcd's nodes of 3.6 and 3.7 write, with its numbers told and left out.
func TestParseMessage(t *testing.T) {
	for _, text := range []string{
		"0803 1002 1801 2001 2801 3002 3a06 080010011803 4002 5000 5800 6800", "0803 1002 1801 2001 2801 3002 3a04 10011803 4002",
	} {
		m, err := parseMessage(unhex(t, text))
		if err != nil || m.more || m.kind != msgApp || m.to != 2 || m.from != 1 || m.term != 1 || m.logTerm != 1 || m.index != 2 ||
			m.commit != 2 || m.entries != 1 {
			t.Errorf("%+v, %v", m, err)
		}
		if index, err := m.last(); index != 3 || err != nil {
			t.Error(index, err)
		}
	}
	for text, more := range map[string]bool{"0808": false, "0808 5001": true, "0808 6200": false, "0808 620178": true, "0808 a80607": true} {
		if m, err := parseMessage(unhex(t, text)); err != nil || m.more != more || m.isLinkHeartbeat() != true {
			t.Errorf("%s: %+v, %v", text, m, err)
		}
	}
	if m, _ := parseMessage(unhex(t, "0808 1801")); m.isLinkHeartbeat() {
		t.Error("a heartbeat of raft's")
	}
	for _, text := range []string{"08", "80", "0b", "3a05 00", "3affffffffffffffff7f", "0d 000000", "09 00", "08ffffffffffffffffffff01"} {
		if _, err := parseMessage(unhex(t, text)); !errors.Is(err, errMessage) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The bytes of a stream, kind by kind, and that the other end rebuilds every message.
func TestMsgAppFrames(t *testing.T) {
	var e appEncoder
	var stream, want []byte
	var sent [][]byte
	send := func(data []byte, frame string) {
		t.Helper()
		before := len(stream)
		var err error
		if stream, err = e.append(stream, data); err != nil {
			t.Fatal(err)
		}
		if want = unhex(t, frame); !bytes.HasPrefix(stream[before:], want) {
			t.Errorf("% x", stream[before:])
		}
		sent = append(sent, data)
	}
	length := func(data []byte) string {
		return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(len(data))))
	}
	first := app(1, 2, 2, 1)
	send(first, "02"+length(first)+hex.EncodeToString(first))
	send(app(1, 3, 3, 2), "01 0000000000000002 0000000000000004 10011804 0000000000000004 10011805 0000000000000003")
	send(app(1, 5, 5, 0), "01 0000000000000000 0000000000000005")
	send(app(1, 5, 6, 1), "01 0000000000000001")
	send(app(1, 3, 6, 1), "02") // once more, from before
	send(app(1, 4, 6, 1), "01")
	send(app(2, 5, 6, 1), "02") // another term
	send(app(2, 6, 6, 1), "01")
	send(append(app(2, 7, 6, 1), 0xa8, 0x06, 0x07), "02") // it says more than the short form can
	send(app(2, 8, 7, 1), "01")
	if stream = e.appendHeartbeat(stream); stream[len(stream)-1] != 0 {
		t.Error("no heartbeat")
	}
	d := newAppDecoder(oneByOne(stream))
	for at, data := range sent {
		got, err := d.next()
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d: % x, not % x; %v", at, got, data, err)
		}
	}
	if got, err := d.next(); got != nil || err != nil || d.short.Load() != 6 {
		t.Error(got, err, d.short.Load())
	}
	if _, err := d.next(); err != io.EOF {
		t.Error(err)
	}
}

func oneByOne(data []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(data)) }

func TestMessageFrames(t *testing.T) {
	heartbeat := unhex(t, "08081001180220014007")
	stream, _ := messageEncoder{}.append(nil, heartbeat)
	stream = messageEncoder{}.appendHeartbeat(stream)
	stream = append(stream, unhex(t, "0000000000000002 0808")...) // as 3.7 writes it
	if !bytes.HasPrefix(stream, unhex(t, "000000000000000a 0808")) {
		t.Errorf("% x", stream)
	}
	d := messageDecoder{bytes.NewReader(stream), 1 << 20}
	for at, want := range [][]byte{heartbeat, nil, nil} {
		if got, err := d.next(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: % x, %v", at, got, err)
		}
	}
	if _, err := d.next(); err != io.EOF {
		t.Error(err)
	}
}

// What nobody has written is an error, costs no memory and no panic, whatever its lengths say.
func TestDecodersTakeAnyBytes(t *testing.T) {
	var good []byte
	var e appEncoder
	for at := range uint64(20) {
		good, _ = e.append(good, app(1+at/7, at, at, int(at%3)))
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	var before, after runtime.MemStats
	for range 20000 {
		data := bytes.Clone(good[chance.IntN(len(good)):])
		for range 1 + chance.IntN(8) {
			at := chance.IntN(len(data))
			switch chance.IntN(3) {
			case 0:
				data[at] = byte(chance.Uint32())
			case 1:
				copy(data[at:], "\xff\xff\xff\xff\xff\xff\xff\xff")
			default:
				data = data[:at+1]
			}
		}
		runtime.ReadMemStats(&before)
		for _, d := range []decoder{newAppDecoder(bytes.NewReader(data)), &messageDecoder{bytes.NewReader(data), 1 << 20}} {
			for {
				if _, err := d.next(); err != nil {
					break
				}
			}
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 1<<20 {
			t.Fatalf("% x: %d bytes", data, after.TotalAlloc-before.TotalAlloc)
		}
	}
	for _, text := range []string{"01ffffffffffffffff", "010000000000000001ffffffffffffffff", "02ffffffffffffffff", "03",
		"020000000000100001"} {
		if _, err := newAppDecoder(bytes.NewReader(unhex(t, text))).next(); err == nil {
			t.Error(text)
		}
	}
	endless := io.MultiReader(bytes.NewReader(unhex(t, "01ffffffffffffffff")), zeros{})
	if _, err := newAppDecoder(endless).next(); !errors.Is(err, errFrame) {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) { clear(into); return len(into), nil }

func TestVersions(t *testing.T) {
	for text, ok := range map[string]bool{
		"3.6.0 3.0.0": true, "3.7.1 3.0.0": true, "3.5.0-alpha.1 3.0.0": true, "3.8.0 3.7.0": false, "2.3.0 2.3.0": false,
		"4.0.0 3.6.9": true, " ": false, "3 3": false, "x.y.z 3.0.0": false, "3.6.0 -1.0.0": false,
	} {
		server, least, _ := strings.Cut(text, " ")
		err := checkVersions(map[string][]string{headerVersion: {server}, headerMinCluster: {least}})
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
