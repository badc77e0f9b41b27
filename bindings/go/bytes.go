package rft

// #include "shim.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// first is where C finds the bytes for the length of a call.
func first(data []byte) *C.uint8_t {
	if len(data) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.SliceData(data))
}

// text is where C finds the bytes of a string for the length of a call.
func text(s string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s)))
}

// borrowed makes an array that C may follow to the bytes of each element, until pinner.Unpin.
func borrowed(pinner *runtime.Pinner, list [][]byte) []C.rft_bytes_t {
	array := make([]C.rft_bytes_t, len(list))
	for at, data := range list {
		if len(data) > 0 {
			pinner.Pin(unsafe.SliceData(data))
			array[at] = C.rft_bytes_t{data: first(data), len: C.size_t(len(data))}
		}
	}
	return array
}

// packed are payloads side by side with their lengths, as the shim takes them: memory without pointers, of which C may have
// one without pinning each of many.
type packed struct {
	data []byte
	lens []C.size_t
}

var packs = sync.Pool{New: func() any { return new(packed) }}

// keptMax is how much memory is kept for the next batch.
const keptMax = 1 << 20

// pack copies payloads; free gives the memory back.
func pack(payloads [][]byte) *packed {
	p, _ := packs.Get().(*packed)
	for _, data := range payloads {
		p.data = append(p.data, data...)
		p.lens = append(p.lens, C.size_t(len(data)))
	}
	return p
}

func (p *packed) free() {
	if cap(p.data) > keptMax || cap(p.lens) > keptMax/8 {
		return
	}
	p.data, p.lens = p.data[:0], p.lens[:0]
	packs.Put(p)
}

// view is what C lent: valid only until the callback or the call that lent it is over.
func view[T any](data *T, n C.size_t) []T {
	return unsafe.Slice(data, int(n))
}

// copied is a copy of bytes that C lent; nil when there are none.
func copied(data *C.uint8_t, n C.size_t) []byte {
	if n == 0 {
		return nil
	}
	return append([]byte(nil), view((*byte)(unsafe.Pointer(data)), n)...)
}

// arena copies many small pieces into one allocation.
type arena struct{ buffer []byte }

func newArena(size C.size_t) arena { return arena{make([]byte, 0, int(size))} }

// copied is like the function of that name. Its capacity ends with it, so that an append leaves the next piece alone.
func (a *arena) copied(data *C.uint8_t, n C.size_t) []byte {
	if n == 0 {
		return nil
	}
	start := len(a.buffer)
	a.buffer = append(a.buffer, view((*byte)(unsafe.Pointer(data)), n)...)
	return a.buffer[start:len(a.buffer):len(a.buffer)]
}
