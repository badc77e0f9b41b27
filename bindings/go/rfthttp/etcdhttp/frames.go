package etcdhttp

import (
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
)

// encoder turns messages into the frames of one stream.
type encoder interface {
	append(to, message []byte) ([]byte, error)
	appendHeartbeat(to []byte) []byte
}

// decoder takes messages out of one stream; nil is a heartbeat of the stream.
type decoder interface {
	next() ([]byte, error)
}

var errFrame = errors.New("etcdhttp: the stream holds no frames")

// pieceBytes is how much is read at once: a length alone must not size an allocation.
const pieceBytes = 64 << 10

// readMore appends exactly n bytes, as they come.
func readMore(from io.Reader, to []byte, n uint64) ([]byte, error) {
	for n > 0 {
		piece := min(n, pieceBytes)
		at := len(to)
		to = append(to, make([]byte, piece)...)
		if _, err := io.ReadFull(from, to[at:]); err != nil {
			return nil, err
		}
		n -= piece
	}
	return to, nil
}

func readNumber(from io.Reader) (uint64, error) {
	var bytes [8]byte
	_, err := io.ReadFull(from, bytes[:])
	return binary.BigEndian.Uint64(bytes[:]), err
}

// ---- the message stream: 8 bytes of length, big-endian, and a message ----

// linkHeartbeat is a MsgHeartbeat of nobody to nobody. All numbers are written: the oldest nodes expect it so.
var linkHeartbeat = []byte{
	0x08, 0x08, 0x10, 0, 0x18, 0, 0x20, 0, 0x28, 0, 0x30, 0, 0x40, 0, 0x50, 0, 0x58, 0, 0x68, 0,
}

type messageEncoder struct{}

func (messageEncoder) append(to, message []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint64(to, uint64(len(message))), message...), nil
}

func (e messageEncoder) appendHeartbeat(to []byte) []byte {
	to, _ = e.append(to, linkHeartbeat)
	return to
}

type messageDecoder struct {
	from io.Reader
	most uint64 // bytes of a frame
}

func (d *messageDecoder) next() ([]byte, error) {
	size, err := readNumber(d.from)
	if err != nil {
		return nil, err
	}
	if size > d.most {
		return nil, errFrame
	}
	data, err := readMore(d.from, nil, size)
	if err != nil || size > uint64(len(linkHeartbeat)) {
		return data, err
	}
	m, err := parseMessage(data)
	if err != nil || m.isLinkHeartbeat() {
		return nil, err
	}
	return data, nil
}

// ---- the msgapp stream: one byte that tells the kind ----

const (
	frameHeartbeat  = 0
	frameAppEntries = 1 // count u64, each: length u64 | entry, then commit u64; the rest follows from what came before
	frameMessage    = 2 // length u64, message
)

// place is where a msgapp stream stands: both ends work it out alike.
type place struct{ term, index uint64 }

func (p *place) move(m *message) error {
	index, err := m.last()
	*p = place{m.term, index}
	return err
}

type appEncoder struct{ at place }

func (e *appEncoder) append(to, data []byte) ([]byte, error) {
	m, err := parseMessage(data)
	if err != nil {
		return to, err
	}
	// What the short form cannot say has to travel whole: this library's messages tell of their sender's disk, too.
	if m.more || m.kind != msgApp || m.logTerm != m.term || e.at != (place{m.logTerm, m.index}) {
		to = binary.BigEndian.AppendUint64(append(to, frameMessage), uint64(len(data)))
		return append(to, data...), e.at.move(&m)
	}
	to = binary.BigEndian.AppendUint64(append(to, frameAppEntries), m.entries)
	_ = walk(data, func(tag, _ uint64, entry []byte) { // it was walked well a moment ago
		if tag == tagEntries {
			to = append(binary.BigEndian.AppendUint64(to, uint64(len(entry))), entry...)
		}
	})
	e.at.index += m.entries
	return binary.BigEndian.AppendUint64(to, m.commit), nil
}

func (e *appEncoder) appendHeartbeat(to []byte) []byte { return append(to, frameHeartbeat) }

type appDecoder struct {
	from          io.Reader
	most          uint64 // bytes of a frame
	local, remote uint64
	at            place
	short         *atomic.Uint64 // frames of the short form that came
}

func (d *appDecoder) next() ([]byte, error) {
	var kind [1]byte
	if _, err := io.ReadFull(d.from, kind[:]); err != nil {
		return nil, err
	}
	switch kind[0] {
	case frameHeartbeat:
		return nil, nil
	case frameAppEntries:
		d.short.Add(1)
		return d.entries()
	case frameMessage:
		return d.whole()
	default:
		return nil, errFrame
	}
}

func (d *appDecoder) whole() ([]byte, error) {
	size, err := readNumber(d.from)
	if err != nil {
		return nil, err
	}
	if size > d.most {
		return nil, errFrame
	}
	data, err := readMore(d.from, nil, size)
	if err != nil {
		return nil, err
	}
	m, err := parseMessage(data)
	if err == nil {
		err = d.at.move(&m)
	}
	return data, err
}

// entries rebuilds the MsgApp that the short form stands for.
func (d *appDecoder) entries() ([]byte, error) {
	count, err := readNumber(d.from)
	if err != nil {
		return nil, err
	}
	data := appendNumber(nil, tagType, msgApp)
	data = appendNumber(data, tagTo, d.local)
	data = appendNumber(data, tagFrom, d.remote)
	data = appendNumber(data, tagTerm, d.at.term)
	data = appendNumber(data, tagLogTerm, d.at.term)
	data = appendNumber(data, tagIndex, d.at.index)
	for room := d.most; count > 0; count-- {
		size, err := readNumber(d.from)
		if err != nil {
			return nil, err
		}
		// The head of an entry counts, too: any number of empty ones would be no bytes.
		if size > d.most || size+8 > room {
			return nil, errFrame
		}
		room -= size + 8
		data = appendNumber(data, tagEntries, size)
		if data, err = readMore(d.from, data, size); err != nil {
			return nil, err
		}
		d.at.index++
	}
	commit, err := readNumber(d.from)
	return appendNumber(data, tagCommit, commit), err
}
