package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp"
)

const usage = `usage: kv-go --id ID --cluster ID=HOST:PORT,... --dir DIR [options]
  --id ID               this node
  --cluster LIST        where the nodes answer, this one too; without --join they are a new cluster's
                        first members: the same list on each
  --dir DIR             where this node keeps its log and snapshots
  --join                wait to be added to a running cluster (POST /members there)
  --cluster-id N        messages of other clusters are refused (default 1)
  --tick-ms N           the clock of elections: a follower waits 10 to 20 ticks (default 100)
  --snapshot-entries N  a snapshot after so many entries, 0: only by POST /snapshot (default 10000)
  --segment-bytes N     length of a file of the log (default 64000000)
  --disk-reserve BYTES  with less left on the disk no writes are taken, 0: no matter (default 64 MiB)
  --lease-reads         a leader answers reads by its lease; for all nodes or none
  --rafthttp            between nodes, speak etcd's rafthttp, with its streams
  --tls-ca FILE         HTTPS only, with certificates that this authority has signed, for all; PEM, like
  --tls-cert FILE       this node's own certificate, named rft-node-ID,
  --tls-key FILE        and its key
  --verbose             debug lines too
`

// options are what the command line says.
type options struct {
	id, clusterID, tick, snapshotEntries, segmentBytes, diskReserve uint64
	cluster                                                         book
	dir, tlsCA, tlsCert, tlsKey                                     string
	join, leaseReads, rafthttp, verbose                             bool
}

// parseOptions reads the command line. What cannot be understood is told, with the usage, and is an error.
func parseOptions(args []string, told io.Writer) (options, error) {
	var o options
	var list string
	flags := flag.NewFlagSet("kv-go", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Uint64Var(&o.id, "id", 0, "")
	flags.StringVar(&list, "cluster", "", "")
	flags.StringVar(&o.dir, "dir", "", "")
	flags.BoolVar(&o.join, "join", false, "")
	flags.Uint64Var(&o.clusterID, "cluster-id", 1, "")
	flags.Uint64Var(&o.tick, "tick-ms", 100, "")
	flags.Uint64Var(&o.snapshotEntries, "snapshot-entries", 10000, "")
	flags.Uint64Var(&o.segmentBytes, "segment-bytes", 64000000, "")
	flags.Uint64Var(&o.diskReserve, "disk-reserve", 64<<20, "")
	flags.BoolVar(&o.leaseReads, "lease-reads", false, "")
	flags.BoolVar(&o.rafthttp, "rafthttp", false, "")
	flags.StringVar(&o.tlsCA, "tls-ca", "", "")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "")
	flags.StringVar(&o.tlsKey, "tls-key", "", "")
	flags.BoolVar(&o.verbose, "verbose", false, "")
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("cannot understand %s", flags.Arg(0))
	}
	if err == nil {
		o.cluster, err = book(nil).following(list)
	}
	if err == nil {
		err = o.check()
	}
	if err != nil {
		_, _ = fmt.Fprintf(told, "kv-go: %v\n%s", err, usage)
	}
	return o, err
}

func (o *options) check() error {
	if o.id == 0 || o.dir == "" || len(o.cluster) == 0 {
		return errors.New("needs --id, --cluster and --dir")
	}
	if o.cluster.address(o.id) == "" {
		return errors.New("needs this node's own address in --cluster")
	}
	if some := o.tlsCA + o.tlsCert + o.tlsKey; some != "" && (o.tlsCA == "" || o.tlsCert == "" || o.tlsKey == "") {
		return errors.New("needs --tls-ca, --tls-cert and --tls-key, or none of them")
	}
	return nil
}

// tls is nil where the nodes speak plain HTTP.
func (o *options) tls() (*tls.Config, error) {
	if o.tlsCA == "" {
		return nil, nil
	}
	return rfthttp.LoadTLS(o.tlsCA, o.tlsCert, o.tlsKey)
}

// config is how the engine is to be.
func (o *options) config(dir string) rft.Config {
	config := rft.Config{
		Dir: dir, ID: o.id, ClusterID: o.clusterID, TickInterval: time.Duration(o.tick) * time.Millisecond,
		SegmentBytes: o.segmentBytes, SnapshotEntries: orNever(o.snapshotEntries),
		DiskReserveBytes: orNever(o.diskReserve), LeaseReads: o.leaseReads,
	}
	// A node that joins has no voters: it learns of them from the leader that takes it in.
	if !o.join {
		for _, m := range o.cluster {
			config.Voters = append(config.Voters, m.id)
		}
	}
	return config
}

// orNever turns a zero into what the library takes for one.
func orNever(value uint64) int64 {
	if value == 0 {
		return -1
	}
	return int64(min(value, 1<<62))
}
