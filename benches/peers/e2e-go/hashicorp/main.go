// Program hashicorp measures three processes of hashicorp/raft with raft-wal, its newest log, and its own transport. The
// leader's process makes the load, as a program does that links the library.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"rft/bench-e2e-go/bench"
)

func main() {
	err := func() error {
		if len(os.Args) > 2 && os.Args[1] == "node" {
			return run(os.Args[2], os.Args[3:])
		}
		return measure(os.Args[1:])
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hashicorp:", err)
		os.Exit(1)
	}
}

func measure(args []string) error {
	load, err := bench.ReadLoad(args)
	if err != nil {
		return err
	}
	defer os.RemoveAll(load.Dir)
	ports, err := bench.Ports(3)
	if err != nil {
		return err
	}
	addresses := fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d", ports[0], ports[1], ports[2])
	words := append([]string{addresses, load.Dir}, args[:4]...)
	var leader *bench.Node
	for _, id := range []string{"3", "2", "1"} {
		started, err := bench.Start(load.Dir, append([]string{"node", id}, words...)...)
		if err != nil {
			return err
		}
		defer started.Kill()
		leader = started
	}
	line, err := leader.Lines.ReadString('\n')
	fmt.Print(line)
	return err
}

// machine counts bytes.
type machine struct{ bytes int }

func (m *machine) Apply(log *raft.Log) any {
	m.bytes += len(log.Data)
	return nil
}

func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	for _, log := range logs {
		m.bytes += len(log.Data)
	}
	return make([]any, len(logs))
}

func (m *machine) Snapshot() (raft.FSMSnapshot, error)  { return m, nil }
func (m *machine) Restore(from io.ReadCloser) error     { return from.Close() }
func (m *machine) Persist(sink raft.SnapshotSink) error { return sink.Close() }
func (m *machine) Release()                             {}

// run runs one of the three. The first one campaigns long before the others would, and makes the load.
func run(id string, args []string) error {
	bench.EndWithInput()
	addresses, dir := strings.Split(args[0], ","), filepath.Join(args[1], id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(id)
	config.Logger = hclog.NewNullLogger()
	// Its best: appends of many, and a queue that takes many at once.
	config.BatchApplyCh = true
	config.MaxAppendEntries = 1024
	if id != "1" {
		config.HeartbeatTimeout, config.ElectionTimeout = 10*time.Second, 10*time.Second
	}
	store, err := wal.Open(dir)
	if err != nil {
		return err
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, 1, config.Logger)
	if err != nil {
		return err
	}
	own := addresses[id[0]-'1']
	transport, err := raft.NewTCPTransportWithLogger(own, nil, 3, 10*time.Second, config.Logger)
	if err != nil {
		return err
	}
	node, err := raft.NewRaft(config, &machine{}, store, store, snapshots, transport)
	if err != nil {
		return err
	}
	var servers []raft.Server
	for at, address := range addresses {
		servers = append(servers, raft.Server{ID: raft.ServerID(fmt.Sprint(at + 1)), Address: raft.ServerAddress(address)})
	}
	if err := node.BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil {
		return err
	}
	if id != "1" {
		select {}
	}
	select {
	case <-node.LeaderCh():
	case <-time.After(30 * time.Second):
		return fmt.Errorf("it never led")
	}
	load, err := bench.ReadLoad(append(args[2:], args[1]))
	if err != nil {
		return err
	}
	one := func(data []byte) error { return node.Apply(data, 10*time.Second).Error() }
	if load.Reads {
		one = func([]byte) error { return node.VerifyLeader().Error() }
	}
	result, err := load.Run(one)
	fmt.Println(result)
	return err
}
