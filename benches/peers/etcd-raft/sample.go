package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const (
	runs      = 5
	runMin    = 10 * time.Millisecond
	cyclesMax = 1 << 14
)

// sample takes the best of some runs in processor time of all threads, the collector's too, as the Rust programs do.
func sample(operations int, call func()) (ns, allocs float64) {
	run := func(count int) time.Duration {
		start := cpu()
		for done := 0; done < count; done += operations {
			call()
		}
		return cpu() - start
	}
	run(2 * compactEvery)
	cycles := 1
	for cycles < cyclesMax && run(cycles*compactEvery) < runMin {
		cycles *= 2
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	best := time.Duration(1<<63 - 1)
	for at := 0; at < runs; at++ {
		best = min(best, run(cycles*compactEvery))
	}
	runtime.ReadMemStats(&after)
	count := float64(cycles * compactEvery)
	return float64(best) / count, float64(after.Mallocs-before.Mallocs) / (runs * count)
}

// cpu is the clock of the process, CLOCK_PROCESS_CPUTIME_ID.
func cpu() time.Duration {
	const clock = 2
	var found syscall.Timespec
	if _, _, code := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&found)), 0); code != 0 {
		panic(code)
	}
	return time.Duration(found.Nano())
}
