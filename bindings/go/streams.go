package rft

// #include "shim.h"
import "C"

import (
	"bufio"
	"io"
	"runtime/cgo"
)

// streamBytes is how much goes through C at once.
const streamBytes = 64 << 10

// snapshotWriter is a stream that ends with the callback it was made for.
type snapshotWriter struct{ writer *C.rft_snapshot_writer_t }

func (w *snapshotWriter) Write(data []byte) (int, error) {
	if w.writer == nil {
		return 0, newError(ErrMisuse, "the snapshot is written, its stream is over")
	}
	var object *C.rft_error_t
	if err := failure(C.rft_snapshot_write(w.writer, first(data), C.size_t(len(data)), &object), object); err != nil {
		return 0, err
	}
	return len(data), nil
}

// snapshotReader is a stream that ends with the callback it was made for.
type snapshotReader struct{ reader *C.rft_snapshot_reader_t }

func (r *snapshotReader) Read(into []byte) (int, error) {
	if r.reader == nil {
		return 0, newError(ErrMisuse, "the snapshot is restored, its stream is over")
	}
	if len(into) == 0 {
		return 0, nil
	}
	var n C.size_t
	var object *C.rft_error_t
	status := C.rft_snapshot_read(r.reader, first(into), C.size_t(len(into)), &n, &object)
	if err := failure(status, object); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

// SnapshotReader is what [StateMachine.Restore] reads from.
type SnapshotReader struct {
	*bufio.Reader
	stream *snapshotReader
}

// Len is how many bytes the snapshot has in all, whatever was read of them; 0 when its stream is over.
func (r *SnapshotReader) Len() uint64 {
	return uint64(C.rft_snapshot_len(r.stream.reader))
}

//export goSnapshotSave
func goSnapshotSave(handle C.uintptr_t, writer *C.rft_snapshot_writer_t) C.rft_status_t {
	h := hostOf(handle)
	return h.save(writer, h.machine.Snapshot)
}

//export goSnapshotView
func goSnapshotView(handle C.uintptr_t, view *C.uintptr_t) C.rft_status_t {
	h := hostOf(handle)
	viewer, views := h.machine.(Viewer)
	if !views {
		return C.RFT_OK
	}
	return h.saved(guard(func() error {
		save, err := viewer.View()
		if err == nil && save != nil {
			*view = C.uintptr_t(cgo.NewHandle(save))
		}
		return err
	}))
}

//export goSnapshotViewSave
func goSnapshotViewSave(handle, view C.uintptr_t, writer *C.rft_snapshot_writer_t) C.rft_status_t {
	save, _ := cgo.Handle(view).Value().(func(io.Writer) error)
	return hostOf(handle).save(writer, save)
}

//export goSnapshotViewDrop
func goSnapshotViewDrop(view C.uintptr_t) {
	cgo.Handle(view).Delete()
}

func (h *host) save(writer *C.rft_snapshot_writer_t, write func(io.Writer) error) C.rft_status_t {
	stream := &snapshotWriter{writer}
	err := guard(func() error {
		buffer := bufio.NewWriterSize(stream, streamBytes)
		if err := write(buffer); err != nil {
			return err
		}
		return buffer.Flush()
	})
	stream.writer = nil
	return h.saved(err)
}

// saved is the status of a snapshot: that there is none this time stops nothing. Its outcome is told before the next one
// begins.
func (h *host) saved(err error) C.rft_status_t {
	if err != nil {
		h.unsaved.Store(&err)
		h.complain("snapshot", err)
		return C.RFT_E_HOST
	}
	return C.RFT_OK
}

//export goSnapshotRestore
func goSnapshotRestore(handle C.uintptr_t, reader *C.rft_snapshot_reader_t) C.rft_status_t {
	h := hostOf(handle)
	stream := &snapshotReader{reader}
	err := guard(func() error {
		return h.machine.Restore(&SnapshotReader{bufio.NewReaderSize(stream, streamBytes), stream})
	})
	stream.reader = nil
	return h.answer("restore", err)
}
