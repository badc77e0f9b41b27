package rft_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
	"github.com/raft-ffi/raft-ffi/bindings/go/internal/kit"
)

const patience = kit.Patience

var (
	must  = kit.Must
	until = kit.Until
)

// list is a state machine that keeps commands, and answers with how many it has.
type list struct {
	lock     sync.Mutex
	commands []string
	contexts []string
	saves    int
	onApply  func(entries []rft.Entry) error
}

func (l *list) Apply(entries []rft.Entry) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	for at := range entries {
		if entries[at].Type == rft.EntryConfChange {
			l.contexts = append(l.contexts, string(entries[at].Data))
			continue
		}
		l.commands = append(l.commands, string(entries[at].Data))
		entries[at].Answer = strconv.AppendInt(nil, int64(len(l.commands)), 10)
	}
	if l.onApply != nil {
		return l.onApply(entries)
	}
	return nil
}

func (l *list) Snapshot(to io.Writer) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.saves++
	return json.NewEncoder(to).Encode(l.commands)
}

func (l *list) Restore(from io.Reader) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.commands = nil
	return json.NewDecoder(from).Decode(&l.commands)
}

func (l *list) holds() []string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return append([]string(nil), l.commands...)
}

// hub is a network inside of the process.
type hub struct {
	lock    sync.Mutex
	engines map[uint64]*rft.Engine
}

// port is one engine's end of a hub.
type port struct {
	hub *hub
	id  uint64
}

func (p port) Attach(engine *rft.Engine) {
	p.hub.lock.Lock()
	defer p.hub.lock.Unlock()
	p.hub.engines[p.id] = engine
}

func (p port) Send(messages []rft.Message) {
	p.hub.lock.Lock()
	defer p.hub.lock.Unlock()
	for _, message := range messages {
		if to := p.hub.engines[message.To]; to != nil {
			_ = to.Step(message.Data) // one that is not taken is lost
		}
	}
}

func newHub() *hub { return &hub{engines: make(map[uint64]*rft.Engine)} }

// alone is the config of a cluster of one.
func alone(t testing.TB) rft.Config {
	return rft.Config{Dir: t.TempDir(), ID: 1, Voters: []uint64{1}, TickInterval: 10 * time.Millisecond, NoPreVote: true}
}

// openAlone opens an engine that leads.
func openAlone(t testing.TB, config rft.Config, machine rft.StateMachine, opts ...rft.Option) *rft.Engine {
	t.Helper()
	engine, err := rft.Open(context.Background(), config, machine, nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	lead(t, engine)
	return engine
}

func lead(t testing.TB, engine *rft.Engine) {
	t.Helper()
	if err := engine.Campaign(); err != nil {
		t.Fatal(err)
	}
	until(t, "it leads", func() bool {
		_, err := engine.Read(within(t, patience))
		return err == nil
	})
}

func within(t testing.TB, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// wants fails the test unless the error has the code.
func wants(t testing.TB, code rft.Code, err error) {
	t.Helper()
	var known *rft.Error
	if !errors.Is(err, code) || !errors.As(err, &known) || known.Code != code {
		t.Errorf("got %v, want %s", err, code.Name())
	}
}

func numbered(format string, from, to int) [][]byte {
	var texts [][]byte
	for at := from; at < to; at++ {
		texts = append(texts, fmt.Appendf(nil, format, at))
	}
	return texts
}
