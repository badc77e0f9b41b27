package rft_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// cluster is engines in one process, and what they say.
type cluster struct {
	t        *testing.T
	dir      string
	hub      *hub
	engines  map[uint64]*rft.Engine
	machines map[uint64]*list
	lines    strings.Builder
}

func (c *cluster) say(format string, words ...any) {
	fmt.Fprintf(&c.lines, format+"\n", words...)
}

func (c *cluster) config(id uint64, voters ...uint64) rft.Config {
	return rft.Config{
		Dir: filepath.Join(c.dir, fmt.Sprint(id)), ID: id, Voters: voters, TickInterval: 50 * time.Millisecond,
	}
}

func (c *cluster) open(id uint64, voters ...uint64) {
	c.t.Helper()
	c.machines[id] = &list{}
	engine, err := rft.Open(context.Background(), c.config(id, voters...), c.machines[id], port{c.hub, id})
	must(c.t, err)
	c.engines[id] = engine
}

// leader waits until there is one, and the first members that are open agree on it.
func (c *cluster) leader() (uint64, *rft.Engine) {
	c.t.Helper()
	var leader uint64
	until(c.t, "a leader", func() bool {
		leader = 0
		for id, engine := range c.engines {
			if status, err := engine.Status(); err == nil && status.Role == rft.RoleLeader && status.Leader == id {
				leader = id
			}
		}
		for id, engine := range c.engines {
			if status, err := engine.Status(); err != nil || (id <= 3 && status.Leader != leader) {
				return false
			}
		}
		return leader != 0
	})
	return leader, c.engines[leader]
}

// follower is one of the voters that do not lead.
func (c *cluster) follower() *rft.Engine {
	leader, _ := c.leader()
	return c.engines[leader%3+1]
}

// again repeats what certainly had no effect.
func (c *cluster) again(ask func(ctx context.Context) error) string {
	ctx := within(c.t, patience)
	for {
		err := ask(ctx)
		if !errors.Is(err, rft.ErrNotLeader) && !errors.Is(err, rft.ErrDropped) && !errors.Is(err, rft.ErrBusy) &&
			!errors.Is(err, rft.ErrLearnerBehind) {
			return nameOf(err)
		}
		if ctx.Err() != nil {
			c.t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func nameOf(err error) string {
	var known *rft.Error
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &known):
		return strings.TrimPrefix(known.Code.Name(), "RFT_E_")
	default:
		return err.Error()
	}
}

func (c *cluster) propose(text, where string, at func() *rft.Engine) {
	var answer []byte
	status := c.again(func(ctx context.Context) error {
		outcome, err := at().Propose(ctx, []byte(text))
		answer = outcome.Answer
		return err
	})
	c.say("propose %q at %s: %s %q", text, where, status, answer)
}

func (c *cluster) atLeader() *rft.Engine {
	_, engine := c.leader()
	return engine
}

func (c *cluster) read(where string, at func() *rft.Engine) {
	var held int
	status := c.again(func(ctx context.Context) error {
		engine := at()
		_, err := engine.Read(ctx)
		for id, known := range c.engines {
			if known == engine {
				held = len(c.machines[id].holds())
			}
		}
		return err
	})
	c.say("read at %s: %s, it holds %d", where, status, held)
}

func (c *cluster) members() {
	list, err := c.atLeader().Members()
	must(c.t, err)
	var words []string
	for _, member := range list {
		kind := "learner"
		if member.Flags == rft.MemberVoter {
			kind = "voter"
		}
		words = append(words, fmt.Sprintf("%d %s", member.ID, kind))
	}
	c.say("members: %s", strings.Join(words, ", "))
}

func (c *cluster) hold(what string, count int, ids ...uint64) {
	until(c.t, what, func() bool {
		for _, id := range ids {
			if held := c.machines[id].holds(); len(held) != count || !slices.Equal(held, c.machines[ids[0]].holds()) {
				return false
			}
		}
		return true
	})
	c.say("%s %d", what, count)
}

func (c *cluster) change(what string, ask func(ctx context.Context, leader *rft.Engine) error) {
	c.say("%s: %s", what, c.again(func(ctx context.Context) error { return ask(ctx, c.atLeader()) }))
}

func (c *cluster) stop(id uint64) *rft.Engine {
	engine := c.engines[id]
	must(c.t, engine.Close())
	delete(c.engines, id)
	return engine
}

func TestEngineStory(t *testing.T) {
	c := &cluster{
		t: t, dir: t.TempDir(), hub: newHub(), engines: make(map[uint64]*rft.Engine), machines: make(map[uint64]*list),
	}
	t.Cleanup(func() {
		for id := range c.engines {
			c.stop(id)
		}
	})
	for id := uint64(1); id <= 3; id++ {
		c.open(id, 1, 2, 3)
	}
	c.say("open 1 2 3")
	c.leader()
	c.say("a leader is elected")
	c.requests()
	c.badInput()
	c.membership()
	c.restart()
	tells(t, "engine.txt", c.lines.String())
}

func (c *cluster) requests() {
	c.propose("one", "the leader", c.atLeader)
	c.propose("two", "a follower", c.follower)
	fine := 0
	c.again(func(ctx context.Context) error {
		results, err := c.atLeader().ProposeMany(ctx, numbered("number %d", 0, 100))
		if err == nil && results[0].Err != nil {
			return results[0].Err // a batch that finds no leader is refused as a whole
		}
		for _, result := range results {
			if result.Err == nil {
				fine++
			}
		}
		return err
	})
	c.say("propose 100 at once: %d OK", fine)
	c.propose("", "the leader", c.atLeader)
	c.read("a follower", c.follower)
}

func (c *cluster) badInput() {
	_, err := c.atLeader().Propose(within(c.t, patience), bytes.Repeat([]byte{'x'}, 9<<20))
	c.say("propose 9 MiB: %s", nameOf(err))
	_, err = c.atLeader().AddVoter(within(c.t, patience), 0, nil)
	c.say("add 0 as a voter: %s", nameOf(err))
	_, err = rft.Open(context.Background(), c.config(1, 1, 2, 3), &list{}, nil)
	c.say("open the directory of 1 again: %s", nameOf(err))
	_, err = rft.Open(context.Background(), rft.Config{Dir: c.t.TempDir()}, &list{}, nil)
	c.say("open without an id: %s", nameOf(err))
}

func (c *cluster) replace() {
	c.open(5)
	address := []byte("address of 5")
	_, err := c.follower().Replace(within(c.t, patience), 4, 5, address, patience)
	c.say("replace 4 by 5: %s", nameOf(err))
	c.stop(4)
	c.members()
	until(c.t, "the bytes of 5", func() bool {
		for _, id := range []uint64{1, 5} {
			known, err := c.engines[id].MemberBytes(5)
			must(c.t, err)
			if !bytes.Equal(known, address) {
				return false
			}
		}
		return true
	})
	c.say("1 and 5 know of 5: %q", address)
}

func (c *cluster) membership() {
	c.open(4)
	c.change("add 4 as a learner", func(ctx context.Context, leader *rft.Engine) error {
		_, err := leader.AddLearner(ctx, 4, nil)
		return err
	})
	c.hold("4 holds", 102, 4)
	c.change("promote 4", func(ctx context.Context, leader *rft.Engine) error {
		_, err := leader.Promote(ctx, 4, nil)
		return err
	})
	c.members()
	c.replace()
	c.change("leave a joint configuration that is not there", func(ctx context.Context, leader *rft.Engine) error {
		_, err := leader.Change(ctx, rft.Change{})
		return err
	})
	old, _ := c.leader()
	until(c.t, "another leader", func() bool {
		id, engine := c.leader()
		if id == old {
			// One that does not come through is asked for again.
			_, err := engine.TransferLeader(within(c.t, patience), old%3+1)
			return err == nil
		}
		return true
	})
	c.say("hand leadership on: OK")
	c.change("remove 5", func(ctx context.Context, leader *rft.Engine) error {
		_, err := leader.Remove(ctx, 5, nil)
		return err
	})
	c.stop(5)
	c.members()
}

func (c *cluster) restart() {
	id, _ := c.leader()
	stopped := c.stop(id)
	c.say("stop the leader")
	_, err := stopped.Propose(within(c.t, patience), []byte("x"))
	c.say("propose at the stopped one: %s", nameOf(err))
	c.leader()
	c.say("another leader is elected")
	c.propose("three", "the leader", c.atLeader)
	c.change("snapshot", func(ctx context.Context, leader *rft.Engine) error {
		_, err := leader.Snapshot(ctx)
		return err
	})
	for id := range c.engines {
		c.stop(id)
	}
	for id := uint64(1); id <= 3; id++ {
		c.open(id, 1, 2, 3)
	}
	c.say("stop all, open all")
	c.leader()
	c.say("a leader is elected")
	c.read("the leader", c.atLeader)
	c.propose("four", "the leader", c.atLeader)
	c.hold("all hold the same", 104, 1, 2, 3)
}
