package rft_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// viewing hands out copies of itself, which are written when the gate is open.
type viewing struct {
	list
	gate chan struct{}
}

func (v *viewing) View() (func(to io.Writer) error, error) {
	var copied bytes.Buffer
	if err := v.list.Snapshot(&copied); err != nil {
		return nil, err
	}
	return func(to io.Writer) error {
		<-v.gate
		_, err := copied.WriteTo(to)
		return err
	}, nil
}

func TestApplyGoesOnWhileAViewIsWritten(t *testing.T) {
	config := alone(t)
	config.SnapshotEntries = -1
	machine := &viewing{gate: make(chan struct{})}
	engine := openAlone(t, config, machine)
	ctx := within(t, patience)
	_, err := engine.Propose(ctx, []byte("before"))
	must(t, err)
	type saved struct {
		index uint64
		err   error
	}
	done := make(chan saved, 1)
	go func() {
		index, err := engine.Snapshot(ctx)
		done <- saved{index, err}
	}()
	until(t, "the view to be written", func() bool {
		status, err := engine.Status()
		return err == nil && status.HostCall > 20*time.Millisecond
	})
	after, err := engine.Propose(ctx, []byte("after"))
	must(t, err)
	select {
	case got := <-done:
		t.Fatalf("the snapshot did not wait for its view: %+v", got)
	default:
	}
	close(machine.gate)
	got := <-done
	must(t, got.err)
	if got.index >= after.Index {
		t.Fatalf("the view holds what came after it: %d, %d", got.index, after.Index)
	}
	must(t, engine.Close())
	again := &viewing{gate: machine.gate}
	engine = openAlone(t, config, again)
	until(t, "both commands", func() bool { return len(again.holds()) == 2 })
	must(t, engine.Close())
}

// stuck is a transport that stands still until its gate opens.
type stuck struct{ gate chan struct{} }

func (s stuck) Send([]rft.Message) { <-s.gate }

// full opens an engine whose queue is full until the gate opens.
func full(t *testing.T, config rft.Config) (*rft.Engine, func()) {
	config.Voters = []uint64{config.ID, config.ID + 1}
	config.QueueItemsMax = 8
	transport := stuck{make(chan struct{})}
	engine, err := rft.Open(within(t, patience), config, &list{}, transport)
	must(t, err)
	open := sync.OnceFunc(func() { close(transport.gate) })
	t.Cleanup(func() {
		open()
		_ = engine.Close()
	})
	until(t, "a full queue", func() bool { return engine.Campaign() != nil })
	return engine, open
}

func TestAFullQueueIsBusyAtOnce(t *testing.T) {
	engine, _ := full(t, alone(t))
	_, err := engine.Propose(within(t, patience), []byte("x"))
	wants(t, rft.ErrBusy, err)
	_, err = engine.ProposeMany(within(t, patience), numbered("%d", 0, 3))
	wants(t, rft.ErrBusy, err)
}

func TestARequestWaitsForRoom(t *testing.T) {
	config := alone(t)
	config.WaitForRoom = true
	engine, open := full(t, config)
	soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := engine.Propose(soon, []byte("x"))
	wants(t, rft.ErrBusy, err) // nothing was taken
	if took := time.Since(begun); took < 40*time.Millisecond {
		t.Fatalf("it did not wait: %v", took)
	}
	done := make(chan error, 1)
	go func() {
		_, err := engine.Propose(within(t, patience), []byte("y"))
		done <- err
	}()
	open()
	wants(t, rft.ErrNotLeader, <-done) // there was room, and nobody leads
}

func TestTheStepsOfConsensusGoToTheLog(t *testing.T) {
	for _, traces := range []bool{true, false} {
		config := alone(t)
		config.Trace = traces
		log := &lines{}
		handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: rft.LevelTrace})
		engine := openAlone(t, config, &list{}, rft.WithLogger(slog.New(handler)))
		lead(t, engine)
		must(t, engine.Close())
		until(t, "the log", func() bool { return log.have("BecomeLeader") || !traces })
		if !traces && log.have("BecomeLeader") {
			t.Error("a trace that nobody asked for")
		}
	}
}

func TestALeaderReadsByItsLease(t *testing.T) {
	config := alone(t)
	config.LeaseReads = true
	config.ClockDriftPercent = 20
	engine := openAlone(t, config, &list{})
	lead(t, engine)
	_, err := engine.Read(within(t, patience))
	must(t, err)
	config.NoCheckQuorum = true
	wants(t, rft.ErrConfig, config.Validate())
	config = alone(t)
	config.SnapshotSendBytesPerSecond = 1
	wants(t, rft.ErrConfig, config.Validate())
}
