// What calls cost a host in Go. Usage: faces-go WHAT [BATCH [LEN]], with a folder to work in as FACES_DIR.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/..
#cgo LDFLAGS: -lfaces_rust
#include "faces.h"

#cgo noescape faces_empty
#cgo nocallback faces_empty
*/
import "C"

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

const patience = 60 * time.Second

var dir = os.Getenv("FACES_DIR")

func demand(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func threadNs() uint64 { return uint64(C.thread_ns()) }

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func place(name string) string { return filepath.Join(dir, name) }

// lent is the text as C has it. It stays there until the process ends.
func lent(text string) *C.char {
	bytes := append([]byte(text), 0)
	memory := C.malloc(C.size_t(len(bytes)))
	copy(unsafe.Slice((*byte)(memory), len(bytes)), bytes)
	return (*C.char)(memory)
}

func config(dir string, snapshots, page int) rft.Config {
	entries := int64(snapshots)
	if entries == 0 {
		entries = -1
	}
	return rft.Config{
		Dir: dir, ID: 1, Voters: []uint64{1}, SnapshotEntries: entries, SnapshotTrailing: -1,
		ApplyBytesMax: uint64(page), TickInterval: 10 * time.Millisecond,
	}
}

// ---- the node layer ----

type alone struct {
	node      *rft.Node
	compacted uint64
}

func newAlone() *alone {
	node, err := rft.NewNode(config("", 0, 1<<20), nil)
	demand(err)
	demand(node.Campaign())
	a := &alone{node: node, compacted: 1}
	a.settle()
	return a
}

func (a *alone) settle() {
	for a.node.HasReady() {
		_, err := a.node.Ready()
		demand(err)
		demand(a.node.Advance())
	}
	status, err := a.node.Status()
	demand(err)
	if status.Applied-a.compacted >= 1024 {
		demand(a.node.Snapshot(nil, status.Applied, []byte("s")))
		a.compacted = status.Applied
	}
}

func (a *alone) propose(calls int, payloads [][]byte) uint64 {
	begun := threadNs()
	for range calls {
		if _, err := a.node.Propose(payloads...); err != nil {
			demand(err)
		}
	}
	took := threadNs() - begun
	a.settle()
	return took
}

// ---- the engine ----

type machine struct {
	entries, bytes atomic.Uint64
	born           time.Time
	first, last    time.Duration
}

func (m *machine) Apply(entries []rft.Entry) error {
	if m.first == 0 {
		m.first = time.Since(m.born)
	}
	var bytes int
	for at := range entries {
		bytes += len(entries[at].Data)
	}
	m.bytes.Add(uint64(bytes))
	m.last = time.Since(m.born)
	m.entries.Add(uint64(len(entries)))
	return nil
}

func (m *machine) Snapshot(io.Writer) error { return nil }
func (m *machine) Restore(io.Reader) error  { return nil }

func openEngine(name string, snapshots, page int) (*rft.Engine, *machine) {
	m := &machine{born: time.Now()}
	engine, err := rft.Open(context.Background(), config(place(name), snapshots, page), m, nil)
	demand(err)
	demand(engine.Campaign())
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		status, err := engine.Status()
		demand(err)
		if status.Leader == 1 {
			return engine, m
		}
		if time.Since(begun) > patience {
			demand(fmt.Errorf("nobody leads"))
		}
	}
}

// roundTrips proposes batches and waits for the outcomes of each.
func roundTrips(engine *rft.Engine, rounds int, payloads [][]byte) time.Duration {
	begun := time.Now()
	for range rounds {
		results, err := engine.ProposeMany(context.Background(), payloads)
		demand(err)
		for at := range results {
			demand(results[at].Err)
		}
	}
	return time.Since(begun)
}

// ownTrips has as many goroutines as payloads, each of which waits for one proposal after the other.
func ownTrips(engine *rft.Engine, rounds int, payloads [][]byte) time.Duration {
	begun := time.Now()
	var group sync.WaitGroup
	for _, payload := range payloads {
		group.Add(1)
		go func() {
			defer group.Done()
			for range rounds {
				_, err := engine.Propose(context.Background(), payload)
				demand(err)
			}
		}()
	}
	group.Wait()
	return time.Since(begun)
}

// ---- what is measured ----

func callNs() float64 {
	const n = 2000000
	begun := threadNs()
	for range n {
		C.faces_empty()
	}
	return float64(threadNs()-begun) / n
}

func over(face, rust []float64) {
	f, r := median(face), median(rust)
	fmt.Fprintf(os.Stderr, "face %.1f ns, Rust %.1f ns\n", f, r)
	value(max(f-r, 0.1))
}

func value(ns float64) { fmt.Printf("{\"value\": %.3f}\n", ns) }

func number(at, otherwise int) int {
	if len(os.Args) <= at {
		return otherwise
	}
	n, err := strconv.Atoi(os.Args[at])
	demand(err)
	return n
}

func main() {
	if len(os.Args) < 2 || dir == "" {
		demand(fmt.Errorf("usage: FACES_DIR=... faces-go WHAT [BATCH [LEN]]"))
	}
	runtime.LockOSThread() // its processor time is what is measured
	C.faces_keep_memory()
	batch, length := number(2, 1), number(3, 256)
	calls := 1024
	if batch > 1 {
		calls = 16
	}
	payloads := make([][]byte, batch)
	for at := range payloads {
		payloads[at] = make([]byte, length)
	}
	total := float64(calls * batch)
	switch os.Args[1] {
	case "call":
		value(callNs())
	case "budget":
		value(1.3*callNs() + 25)
	case "propose":
		a := newAlone()
		var face, rust []float64
		for range 201 {
			rust = append(rust, float64(C.faces_node_propose(C.uint32_t(calls), C.uint32_t(batch), C.uint32_t(length)))/total)
			face = append(face, float64(a.propose(calls, payloads))/total)
		}
		over(face, rust)
		demand(a.node.Close())
	case "round-trips", "own-trips":
		engine, _ := openEngine("go", 4096, 1<<20)
		rounds, trips := 200000/batch, roundTrips
		if os.Args[1] == "own-trips" {
			runtime.UnlockOSThread()
			trips = ownTrips
		}
		value(float64(trips(engine, rounds, payloads).Nanoseconds()) / float64(rounds*batch))
		demand(engine.Close())
	case "apply":
		const n = 400000
		C.faces_fill(lent(place("log")), n, C.uint32_t(length))
		engine, m := openEngine("log", 0, batch*(length+16))
		for begun := time.Now(); m.entries.Load() < n; time.Sleep(time.Millisecond) {
			if time.Since(begun) > patience {
				demand(fmt.Errorf("the engine stands still"))
			}
		}
		value(float64((m.last - m.first).Nanoseconds()) / n)
		demand(engine.Close())
	default:
		demand(fmt.Errorf("there is no such measurement"))
	}
}
