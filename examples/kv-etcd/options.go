package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
)

type options struct {
	id, clusterID   uint64
	cluster         book
	dir             string
	join            bool
	tickMS          int
	snapshotEntries uint64
	segmentBytes    int64
}

func parseOptions(arguments []string, errors io.Writer) (options, error) {
	o := options{cluster: book{}}
	flags := flag.NewFlagSet("kv-etcd", flag.ContinueOnError)
	flags.SetOutput(errors)
	flags.Uint64Var(&o.id, "id", 0, "this node")
	flags.Func("cluster", "where the nodes answer, `ID=HOST:PORT,...`; without -join a new cluster's first members", o.cluster.parse)
	flags.StringVar(&o.dir, "dir", "", "where this node keeps its log and snapshots")
	flags.BoolVar(&o.join, "join", false, "wait to be added to a running cluster")
	flags.Uint64Var(&o.clusterID, "cluster-id", 1, "messages of other clusters are refused")
	flags.IntVar(&o.tickMS, "tick-ms", 100, "the clock of elections: a follower waits 10 to 20 ticks")
	flags.Uint64Var(&o.snapshotEntries, "snapshot-entries", 10000, "a snapshot after so many entries, 0: only when asked for")
	flags.Int64Var(&o.segmentBytes, "segment-bytes", 64<<20, "length of a file of the log")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if o.id == 0 || o.dir == "" || o.cluster[o.id] == "" || o.tickMS < 1 || o.segmentBytes < 1 {
		return o, fmt.Errorf("-id, -dir and -cluster, with this node's own address, have to be given")
	}
	return o, nil
}

// ids of the first members, in order.
func (o options) ids() []uint64 { return slices.Sorted(maps.Keys(o.cluster)) }
