package main

import (
	"encoding/binary"
	"errors"
)

// What the first byte of a command says.
const (
	opPut      = 1
	opDelete   = 2
	opPutIf    = 3 // if the key has the revision
	opDeleteIf = 4
)

const (
	keyMax   = 1024
	valueMax = 4 << 20
)

// command is what is proposed: op u8 | key_len u32 | key | with opPutIf and opDeleteIf revision u64 | value.
type command struct {
	op       byte
	key      string
	revision uint64 // 0: there is no such key
	value    []byte
}

func (c command) encode() []byte {
	out := make([]byte, 0, 1+4+len(c.key)+8+len(c.value))
	out = append(out, c.op)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(c.key)))
	out = append(out, c.key...)
	if c.conditional() {
		out = binary.LittleEndian.AppendUint64(out, c.revision)
	}
	return append(out, c.value...)
}

func (c command) conditional() bool { return c.op == opPutIf || c.op == opDeleteIf }

var errCommand = errors.New("an entry is not a command that this program knows")

// parseCommand reads one; the value points into the data. A newer program's command is an error: to skip it would be to
// differ from the nodes that know it.
func parseCommand(data []byte) (command, error) {
	if len(data) < 5 || data[0] < opPut || data[0] > opDeleteIf {
		return command{}, errCommand
	}
	c := command{op: data[0]}
	size := binary.LittleEndian.Uint32(data[1:])
	rest := data[5:]
	if size == 0 || size > keyMax || int(size) > len(rest) {
		return command{}, errCommand
	}
	c.key, rest = string(rest[:size]), rest[size:]
	if c.conditional() {
		if len(rest) < 8 {
			return command{}, errCommand
		}
		c.revision, rest = binary.LittleEndian.Uint64(rest), rest[8:]
	}
	if len(rest) > valueMax {
		return command{}, errCommand
	}
	c.value = rest
	return c, nil
}

// answer is what apply says to a command: done u8 | revision u64 of the key behind it, 0 if there is none.
type answer struct {
	done     bool
	revision uint64
}

func (a answer) encode() []byte {
	out := make([]byte, 1, 9)
	if a.done {
		out[0] = 1
	}
	return binary.LittleEndian.AppendUint64(out, a.revision)
}

func parseAnswer(data []byte) (answer, error) {
	if len(data) != 9 || data[0] > 1 {
		return answer{}, errors.New("the answer to the command cannot be understood")
	}
	return answer{done: data[0] == 1, revision: binary.LittleEndian.Uint64(data[1:])}, nil
}
