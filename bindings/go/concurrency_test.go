package rft_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

func TestManyGoroutines(t *testing.T) {
	machine := &list{}
	engine := openAlone(t, alone(t), machine)
	const workers, each = 50, 20
	var group sync.WaitGroup
	var seen sync.Map
	for worker := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for at := range each {
				outcome, err := engine.Propose(within(t, patience), fmt.Appendf(nil, "%d of %d", at, worker))
				if err != nil {
					t.Error(err)
				}
				place, err := strconv.Atoi(string(outcome.Answer))
				if _, twice := seen.LoadOrStore(place, worker); twice || err != nil {
					t.Errorf("answer %q, twice: %v", outcome.Answer, twice)
				}
				if held := machine.holds(); held[place-1] != fmt.Sprintf("%d of %d", at, worker) {
					t.Errorf("%d is %s", place, held[place-1])
				}
				if _, err := engine.Read(within(t, patience)); err != nil {
					t.Error(err)
				}
				if _, err := engine.Status(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	if held := len(machine.holds()); held != workers*each {
		t.Error(held)
	}
	results, err := engine.ProposeMany(within(t, patience), numbered("%d", 0, 5000))
	must(t, err)
	for at, result := range results {
		if result.Err != nil || (at > 0 && result.Outcome.Index != results[at-1].Outcome.Index+1) {
			t.Fatal(at, result)
		}
	}
}

// Whatever is under way when an engine is closed, by several at once, gets its one answer.
func TestCloseAmongCalls(t *testing.T) {
	for round := range 5 {
		engine := openAlone(t, alone(t), &list{})
		var group sync.WaitGroup
		var answers atomic.Int64
		for worker := range 20 {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					_, err := engine.Propose(context.Background(), []byte("x"))
					_, _ = engine.Members()
					_ = engine.Step([]byte{0x08, 0})
					if errors.Is(err, rft.ErrStopped) {
						return
					}
					if err != nil {
						t.Errorf("worker %d: %v", worker, err)
						return
					}
					answers.Add(1)
				}
			}()
		}
		until(t, "some answers", func() bool { return answers.Load() > int64(20*round) })
		for range 3 {
			group.Add(1)
			go func() {
				defer group.Done()
				if err := engine.Close(); err != nil {
					t.Error(err)
				}
			}()
		}
		group.Wait()
	}
}

func TestNodeOfManyGoroutines(t *testing.T) {
	node, err := rft.NewNode(rft.Config{ID: 1, Voters: []uint64{1}}, nil)
	must(t, err)
	must(t, node.Campaign())
	var group sync.WaitGroup
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 200 {
				_ = node.Tick()
				if ready, err := node.Ready(); err == nil {
					for at := range ready.Committed {
						_ = append(ready.Committed[at].Data, 'x') // leaves the next one alone
					}
					_ = node.Advance()
				}
				_, err := node.Propose([]byte("x"))
				if err != nil && !errors.Is(err, rft.ErrNotLeader) && !errors.Is(err, rft.ErrStopped) &&
					!errors.Is(err, rft.ErrDropped) {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	must(t, node.Close())
}

// forgotten opens an engine, a store and a node, and leaves them to themselves.
func forgotten(t *testing.T, dir string) {
	config := rft.Config{Dir: filepath.Join(dir, "engine"), ID: 1, Voters: []uint64{1}, TickInterval: 10 * time.Millisecond}
	engine, err := rft.Open(context.Background(), config, &list{}, nil)
	must(t, err)
	must(t, engine.Campaign())
	config.Dir = filepath.Join(dir, "store")
	store, err := rft.OpenStore(config)
	must(t, err)
	_, err = rft.NewNode(config, store)
	must(t, err)
}

func TestWhatIsForgottenIsFreed(t *testing.T) {
	dir := t.TempDir()
	before := runtime.NumGoroutine()
	forgotten(t, dir)
	config := rft.Config{ID: 1, Voters: []uint64{1}}
	until(t, "the directories are free again", func() bool {
		runtime.GC()
		config.Dir = filepath.Join(dir, "engine")
		engine, err := rft.OpenStore(config)
		if err != nil {
			return false
		}
		defer engine.Close()
		config.Dir = filepath.Join(dir, "store")
		store, err := rft.OpenStore(config)
		if err != nil {
			return false
		}
		return store.Close() == nil
	})
	until(t, "their goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestNothingLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	config := alone(t)
	for range 20 {
		engine := openAlone(t, config, &list{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		wants(t, rft.ErrDropped, second(engine.Propose(ctx, []byte("x"))))
		must(t, second(engine.Propose(context.Background(), []byte("x"))))
		must(t, engine.Close())
		broken := config
		broken.ClusterID = 9
		_, err := rft.Open(context.Background(), broken, &list{}, nil)
		wants(t, rft.ErrForeign, err)
	}
	until(t, "their goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// Opening that nobody waits for any more is undone.
func TestOpenThatIsGivenUp(t *testing.T) {
	config := alone(t)
	must(t, openAlone(t, config, &list{}).Close())
	engine := openAlone(t, config, &list{})
	must(t, second(engine.Propose(within(t, patience), []byte("x"))))
	must(t, second(engine.Snapshot(within(t, patience))))
	must(t, engine.Close())
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	slow := &machine{restore: slowly(release, cancel)}
	if _, err := rft.Open(ctx, config, slow, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	until(t, "the directory is free again", func() bool {
		engine, err := rft.Open(context.Background(), config, &list{}, nil)
		return err == nil && engine.Close() == nil
	})
}

// slowly is a restore that begins, and ends when it is let go.
func slowly(release <-chan struct{}, begun func()) func(io.Reader) error {
	return func(io.Reader) error {
		begun()
		<-release
		return nil
	}
}
