package rfthttp

import (
	"encoding/binary"
	"errors"
)

const (
	frameHead   = 8
	typeMessage = "application/protobuf"
	typeFrames  = "application/x-raft-frames"
)

var errFrames = errors.New("the body is not whole frames")

func appendFrame(body, message []byte) []byte {
	return append(binary.BigEndian.AppendUint64(body, uint64(len(message))), message...)
}

// splitFrames gives the messages of a body, pointing into it.
func splitFrames(body []byte) ([][]byte, error) {
	var messages [][]byte
	for len(body) > 0 {
		if len(body) < frameHead {
			return nil, errFrames
		}
		n := binary.BigEndian.Uint64(body)
		if body = body[frameHead:]; n > uint64(len(body)) {
			return nil, errFrames
		}
		messages = append(messages, body[:n])
		body = body[n:]
	}
	return messages, nil
}
