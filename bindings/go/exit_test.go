package rft_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// exitsIn names the directory of a program that ends while its engine is at work.
const exitsIn = "RFT_TEST_EXITS_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(exitsIn); dir != "" {
		os.Exit(runAndLeave(dir))
	}
	os.Exit(m.Run())
}

// runAndLeave gives 0 while callbacks run, and requests and messages are under way.
func runAndLeave(dir string) int {
	ctx := context.Background()
	engine, err := rft.Open(ctx, rft.Config{Dir: dir, ID: 1, Voters: []uint64{1}}, &list{}, nil)
	if err != nil || engine.Campaign() != nil {
		return 1
	}
	applied := make(chan struct{}, 1000)
	for range 10 {
		go func() {
			for {
				if _, err := engine.Propose(ctx, []byte("x")); err == nil {
					applied <- struct{}{}
				}
			}
		}()
	}
	for range 100 {
		<-applied
	}
	return 0
}

func TestProgramMayEndWithoutClose(t *testing.T) {
	for range 3 {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), exitsIn+"="+t.TempDir())
		var said bytes.Buffer
		command.Stdout, command.Stderr = &said, &said
		if err := command.Run(); err != nil || said.Len() > 0 {
			t.Errorf("%v\n%s", err, &said)
		}
	}
}
