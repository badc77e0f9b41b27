// A shopping list on three nodes, all in one process. The argument is a directory.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// ANCHOR: machine

// list is the state machine: a text, to which every command adds a word.
type list struct {
	mutex sync.Mutex // the methods are called on the engine's threads
	text  string
	items int
}

func (l *list) Apply(entries []rft.Entry) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for at := range entries {
		if entries[at].Type == rft.EntryNormal {
			l.text += " " + string(entries[at].Data)
			l.items++
			entries[at].Answer = strconv.AppendInt(nil, int64(l.items), 10)
		}
	}
	return nil
}

// ANCHOR_END: machine

// ANCHOR: snapshot

// A snapshot is the number of items, and the text.
func (l *list) Snapshot(to io.Writer) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	_, err := fmt.Fprintf(to, "%d\n%s", l.items, l.text)
	return err
}

func (l *list) Restore(from io.Reader) error {
	data, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	items, text, _ := bytes.Cut(data, []byte("\n"))
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.text = string(text)
	l.items, err = strconv.Atoi(string(items))
	return err
}

// ANCHOR_END: snapshot

// ANCHOR: transport

// network brings messages to their receivers. What does not arrive, raft sends again.
type network struct {
	mutex   sync.Mutex
	engines map[uint64]*rft.Engine
}

// port is one node's end of it.
type port struct {
	*network
	id uint64
}

func (p port) Attach(engine *rft.Engine) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.engines[p.id] = engine
}

func (p port) Send(messages []rft.Message) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, message := range messages {
		if to := p.engines[message.To]; to != nil {
			_ = to.Step(message.Data)
		}
	}
}

// ANCHOR_END: transport

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// cluster is the three nodes.
type cluster struct {
	root    string
	network *network
	engines map[uint64]*rft.Engine
	lists   map[uint64]*list
}

// ANCHOR: open

func (c *cluster) open(id uint64) {
	c.lists[id] = &list{}
	config := rft.Config{Dir: filepath.Join(c.root, fmt.Sprint(id)), ID: id, Voters: []uint64{1, 2, 3}}
	engine, err := rft.Open(context.Background(), config, c.lists[id], port{c.network, id})
	must(err)
	c.engines[id] = engine
}

func (c *cluster) close(id uint64) {
	port{c.network, id}.Attach(nil)
	must(c.engines[id].Close())
}

// ANCHOR_END: open

// ANCHOR: outcome

// patiently repeats what had no effect for certain, and may work in a moment: there is no leader yet, say. All else ends
// the program; ErrUnknown and ErrTimedOut mean that nobody can tell.
func patiently(ask func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for {
		err := ask(ctx)
		var known *rft.Error
		if !errors.As(err, &known) || !known.Retryable() {
			must(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *cluster) add(id uint64, item string) {
	patiently(func(ctx context.Context) error {
		outcome, err := c.engines[id].Propose(ctx, []byte(item))
		if err == nil {
			fmt.Printf("node %d adds %s: item %s\n", id, item, outcome.Answer)
		}
		return err
	})
}

// ANCHOR_END: outcome

// ANCHOR: read

func (c *cluster) show(id uint64, how string) {
	patiently(func(ctx context.Context) error {
		_, err := c.engines[id].Read(ctx)
		return err
	})
	// The state machine holds now all that was acknowledged anywhere before.
	c.lists[id].mutex.Lock()
	defer c.lists[id].mutex.Unlock()
	fmt.Printf("node %d%s holds%s\n", id, how, c.lists[id].text)
}

// ANCHOR_END: read

// waitForLeader waits until node 2 knows a leader that is still there.
func (c *cluster) waitForLeader() {
	for {
		status, err := c.engines[2].Status()
		must(err)
		if status.Leader >= 2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ANCHOR: story

func main() {
	c := &cluster{
		root: "tutorial.data", network: &network{engines: map[uint64]*rft.Engine{}},
		engines: map[uint64]*rft.Engine{}, lists: map[uint64]*list{},
	}
	if len(os.Args) > 1 {
		c.root = os.Args[1]
	}
	for id := uint64(1); id <= 3; id++ {
		c.open(id)
	}
	c.add(1, "milk") // whichever node leads: the others hand it on
	c.add(2, "bread")
	c.add(3, "eggs")
	for id := uint64(1); id <= 3; id++ {
		c.show(id, "")
	}
	c.close(1)
	fmt.Println("node 1 is closed")
	c.waitForLeader() // two of three are a majority
	c.add(2, "tea")
	c.open(1) // it catches up
	c.show(1, ", opened again,")
	for id := uint64(1); id <= 3; id++ {
		c.close(id)
	}
}

// ANCHOR_END: story
