// The write-ahead log of etcd's server: `PROGRAM MODE WHAT SIZE COUNT`, as the programs in Rust.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

const (
	unsyncedBytes = 48 << 20
	unsyncedRuns  = 3
	unsyncedParts = 8
	fillBatch     = 256
	operationsMin = 50
	warmUpBytes   = 5 << 20
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	must(err)
	return value
}

func main() {
	if len(os.Args) != 5 {
		must(fmt.Errorf("usage: PROGRAM MODE WHAT SIZE COUNT"))
	}
	what, size, count := os.Args[2], number(os.Args[3]), number(os.Args[4])
	base := os.Getenv("BENCH_DIR")
	if what == "read" {
		read(base, size, count)
		return
	}
	dir, err := os.MkdirTemp(base, "wal")
	must(err)
	err = run(what, dir, size, count)
	must(os.RemoveAll(dir))
	must(err)
}

func run(what, dir string, size, count int) error {
	switch what {
	case "sync":
		durable(newLog(filepath.Join(dir, "log"), size), size, count)
	case "memory":
		unsynced(dir, size, count)
	case "replay":
		log := newLog(filepath.Join(dir, "log"), size)
		for left := count << 20 / size; left > 0; left -= fillBatch {
			log.append(log.prepare(min(left, fillBatch)))
		}
		must(log.wal.Close())
		again := exec.Command(os.Args[0], os.Args[1], "read", os.Args[3], os.Args[4])
		again.Env = append(os.Environ(), "BENCH_DIR="+dir)
		again.Stdout, again.Stderr = os.Stdout, os.Stderr
		return again.Run()
	default:
		return fmt.Errorf("there is no measurement %s", what)
	}
	return nil
}

type log struct {
	wal     *wal.WAL
	payload []byte
	next    uint64
}

func newLog(dir string, size int) *log {
	w, err := wal.Create(zap.NewNop(), dir, []byte("meta"))
	must(err)
	return &log{wal: w, payload: bytes.Repeat([]byte{0x5a}, size), next: 1}
}

func (l *log) prepare(count int) (raftpb.HardState, []raftpb.Entry) {
	entries := make([]raftpb.Entry, count)
	state := raftpb.HardState{Term: 1, Vote: 1, Commit: l.next - 1}
	for at := range entries {
		entries[at] = raftpb.Entry{Term: 1, Index: l.next, Data: l.payload}
		l.next++
	}
	return state, entries
}

func (l *log) append(state raftpb.HardState, entries []raftpb.Entry) {
	must(l.wal.Save(state, entries))
}

func cpu() time.Duration {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func wanted() time.Duration {
	if text := os.Getenv("BENCH_MS"); text != "" {
		return time.Duration(number(text)) * time.Millisecond
	}
	return 800 * time.Millisecond
}

func durable(l *log, size, batch int) {
	for written := 0; written < warmUpBytes; written += batch * size {
		l.append(l.prepare(batch))
	}
	var times []time.Duration
	var preparing []time.Duration
	var all time.Duration
	before := cpu()
	for all < wanted() || len(times) < operationsMin {
		begun := time.Now()
		state, entries := l.prepare(batch)
		start := time.Now()
		l.append(state, entries)
		took := time.Since(start)
		times = append(times, took)
		all += took
		preparing = append(preparing, start.Sub(begun))
	}
	used := int64(cpu()-before-usual(preparing)) / int64(len(times)*batch)
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	at := func(part int) float64 { return float64(times[len(times)*part/100].Nanoseconds()) / 1e3 }
	mean := float64(len(times)*batch) / all.Seconds()
	fmt.Printf("{\"value\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"mb_s\": %.1f, \"cpu_ns_per_op\": %d}\n",
		float64(batch)*1e6/at(50), at(50), at(99), mean*float64(size)/1e6, used)
}

// All of them, without those in which another program was on the processor.
func usual(times []time.Duration) time.Duration {
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	return times[len(times)/2] * time.Duration(len(times))
}

// Megabytes of payload in a second of processor time, in the best of some runs.
func unsynced(base string, size, batch int) {
	best := 0.0
	operations := max(1, min(unsyncedBytes/unsyncedParts/(size*batch), 10_000))
	for turn := range unsyncedRuns {
		l := newLog(filepath.Join(base, strconv.Itoa(turn)), size)
		l.wal.SetUnsafeNoFsync()
		for range unsyncedParts {
			var preparing []time.Duration
			before := cpu()
			for range operations {
				begun := time.Now()
				state, entries := l.prepare(batch)
				preparing = append(preparing, time.Since(begun))
				l.append(state, entries)
			}
			used := max(1, cpu()-before-usual(preparing))
			best = max(best, float64(operations*batch*size)*1e3/float64(used.Nanoseconds()))
		}
		must(l.wal.Close())
		must(os.RemoveAll(filepath.Join(base, strconv.Itoa(turn))))
	}
	fmt.Printf("{\"value\": %.1f}\n", best)
}

func read(dir string, size, mib int) {
	total := mib << 20 / size
	start, before := time.Now(), cpu()
	w, err := wal.Open(zap.NewNop(), filepath.Join(dir, "log"), walpb.Snapshot{})
	must(err)
	_, _, entries, err := w.ReadAll()
	must(err)
	took, used := time.Since(start), cpu()-before
	if len(entries) != total {
		must(fmt.Errorf("%d entries of %d", len(entries), total))
	}
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	peak := 0
	if _, behind, found := strings.Cut(string(status), "VmHWM:"); found {
		peak = number(strings.Fields(behind)[0])
	}
	rate := float64(total*size) / 1e6 / took.Seconds()
	fmt.Printf("{\"value\": %.1f, \"cpu_ns_per_op\": %d, \"rss_kib\": %d}\n", rate, int64(used)/int64(total), peak)
}
