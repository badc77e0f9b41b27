// Program etcd measures three processes of etcd, each its own server, through its own client. It is a key-value store
// behind gRPC: an anchor, not the like of a library.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"go.uber.org/zap"

	"rft/bench-e2e-go/bench"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "node" {
		bench.EndWithInput()
		etcdmain.Main(append([]string{"etcd"}, os.Args[3:]...))
		return
	}
	result, err := measure(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
	fmt.Println(result)
}

func measure(args []string) (string, error) {
	fails := len(args) == 3 && args[0] == "failover"
	if fails {
		args = []string{"win", "1", "256", args[1], args[2]}
	}
	load, err := bench.ReadLoad(args)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(load.Dir)
	nodes, endpoints, err := start(load.Dir)
	for _, node := range nodes {
		defer node.Kill()
	}
	if err != nil {
		return "", err
	}
	leader, err := findLeader(endpoints)
	if err != nil {
		return "", err
	}
	if fails {
		time.Sleep(load.Time)
		return failover(nodes, endpoints, leader)
	}
	client, err := dial(endpoints[leader : leader+1])
	if err != nil {
		return "", err
	}
	defer client.Close()
	if load.Reads {
		return load.Run(func([]byte) error {
			_, err := client.Get(context.Background(), "key")
			return err
		})
	}
	return load.Run(func(data []byte) error {
		_, err := client.Put(context.Background(), "key", string(data))
		return err
	})
}

func start(dir string) ([]*bench.Node, []string, error) {
	ports, err := bench.Ports(6)
	if err != nil {
		return nil, nil, err
	}
	var cluster, endpoints []string
	for id := range 3 {
		cluster = append(cluster, fmt.Sprintf("n%d=http://127.0.0.1:%d", id, ports[id]))
		endpoints = append(endpoints, fmt.Sprintf("http://127.0.0.1:%d", ports[3+id]))
	}
	var nodes []*bench.Node
	for id := range 3 {
		node, err := bench.Start(dir, "node", fmt.Sprint(id),
			"--name", fmt.Sprintf("n%d", id), "--data-dir", filepath.Join(dir, fmt.Sprint(id)),
			"--listen-peer-urls", strings.SplitN(cluster[id], "=", 2)[1],
			"--initial-advertise-peer-urls", strings.SplitN(cluster[id], "=", 2)[1],
			"--listen-client-urls", endpoints[id], "--advertise-client-urls", endpoints[id],
			"--initial-cluster", strings.Join(cluster, ","), "--log-level", "error")
		if err != nil {
			return nodes, nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, endpoints, nil
}

func dial(endpoints []string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
}

// findLeader waits until one of them leads.
func findLeader(endpoints []string) (int, error) {
	client, err := dial(endpoints)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for at, endpoint := range endpoints {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			status, err := client.Status(ctx, endpoint)
			cancel()
			if err == nil && status.Leader != 0 && status.Leader == status.Header.MemberId {
				return at, nil
			}
		}
	}
	return 0, fmt.Errorf("nobody leads")
}

// failover is the time from kill -9 of the leader to the next write that a survivor acknowledges.
func failover(nodes []*bench.Node, endpoints []string, leader int) (string, error) {
	client, err := dial([]string{endpoints[(leader+1)%3], endpoints[(leader+2)%3]})
	if err != nil {
		return "", err
	}
	defer client.Close()
	killed := time.Now()
	nodes[leader].Kill()
	for end := killed.Add(30 * time.Second); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, err = client.Put(ctx, "key", "probe")
		cancel()
		if err == nil {
			return fmt.Sprintf(`{"value": %.1f}`, float64(time.Since(killed).Microseconds())/1e3), nil
		}
	}
	return "", fmt.Errorf("nobody took over: %w", err)
}
