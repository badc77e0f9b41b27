package rft_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// directLogs counts the logs in dir that this process has open to be written past the system's cache.
func directLogs(t *testing.T, dir string) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	found := 0
	for _, file := range files {
		path, err := os.Readlink("/proc/self/fd/" + file.Name())
		if err != nil || !strings.HasPrefix(path, dir) || filepath.Ext(path) != ".wal" {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + file.Name())
		must(t, err)
		var position, flags int
		_, err = fmt.Sscanf(string(info), "pos: %d\nflags: %o", &position, &flags)
		must(t, err)
		if flags&syscall.O_DIRECT != 0 {
			found++
		}
	}
	return found
}

// It is done, or said that it cannot be, but not where nobody wants it. The log is the same.
func TestTheLogIsWrittenPastTheCache(t *testing.T) {
	config := alone(t)
	for round, wanted := range []bool{true, false, true} {
		config.NoDirectWrites = !wanted
		log, machine := &lines{}, &list{}
		logger := slog.New(slog.NewTextHandler(log, nil))
		engine := openAlone(t, config, machine, rft.WithLogger(logger))
		direct := directLogs(t, config.Dir) == 1
		_, err := engine.Propose(context.Background(), []byte("x"))
		must(t, err)
		if got := len(machine.holds()); got != round+1 {
			t.Errorf("%d commands after %d", got, round+1)
		}
		must(t, engine.Close())
		until(t, "the log", func() bool { return !wanted || direct || log.have("past the system's cache") })
		if !wanted && (direct || log.have("past the system's cache")) {
			t.Error("nobody wanted it")
		}
	}
}
