package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
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
	tlsFiles        tlsFiles
	tls             *tls.Config // nil: all is plain HTTP
}

type tlsFiles struct{ authority, certificate, key string }

func parseOptions(arguments []string, errors io.Writer) (options, error) {
	o := options{cluster: book{}}
	flags := flag.NewFlagSet("kv-etcd", flag.ContinueOnError)
	flags.SetOutput(errors)
	flags.Uint64Var(&o.id, "id", 0, "this node")
	flags.Func("cluster", "where the nodes answer, `ID=HOST:PORT,...`; without -join a new cluster's first members", func(list string) error {
		fits, err := o.cluster.parse(list)
		if err == nil && !fits {
			err = errDecode
		}
		return err
	})
	flags.StringVar(&o.dir, "dir", "", "where this node keeps its log and snapshots")
	flags.BoolVar(&o.join, "join", false, "wait to be added to a running cluster")
	flags.Uint64Var(&o.clusterID, "cluster-id", 1, "messages of other clusters are refused")
	flags.IntVar(&o.tickMS, "tick-ms", 100, "the clock of elections: a follower waits 10 to 20 ticks")
	flags.Uint64Var(&o.snapshotEntries, "snapshot-entries", 10000, "a snapshot after so many entries, 0: only when asked for")
	flags.Int64Var(&o.segmentBytes, "segment-bytes", 64<<20, "length of a file of the log")
	flags.StringVar(&o.tlsFiles.authority, "tls-ca", "", "the authority that has signed everybody's certificate; all three of -tls or none")
	flags.StringVar(&o.tlsFiles.certificate, "tls-cert", "", "this node's certificate, of the name rft-node-ID")
	flags.StringVar(&o.tlsFiles.key, "tls-key", "", "its key")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if o.id == 0 || o.dir == "" || o.cluster[o.id] == "" || o.tickMS < 1 || o.segmentBytes < 1 {
		return o, fmt.Errorf("-id, -dir and -cluster, with this node's own address, have to be given")
	}
	if (o.tlsFiles.authority == "") != (o.tlsFiles.certificate == "") || (o.tlsFiles.certificate == "") != (o.tlsFiles.key == "") {
		return o, fmt.Errorf("--tls-ca, --tls-cert and --tls-key belong together")
	}
	return o, nil
}

// loadTLS reads certificates and key, if there are any. One configuration serves both sides: each demands of the other a
// certificate that the authority has signed.
func (o *options) loadTLS() error {
	if o.tlsFiles.authority == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(o.tlsFiles.certificate, o.tlsFiles.key)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(o.tlsFiles.authority)
	if err != nil {
		return err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate", o.tlsFiles.authority)
	}
	o.tls = &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: authorities, ClientCAs: authorities,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
	return nil
}

func (o options) scheme() string {
	if o.tls == nil {
		return "http"
	}
	return "https"
}

// ids of the first members, in order.
func (o options) ids() []uint64 { return slices.Sorted(maps.Keys(o.cluster)) }
