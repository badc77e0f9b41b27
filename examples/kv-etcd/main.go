// kv-etcd: one node of the replicated key-value service of ../README.md, on etcd's own raft and etcd's own log.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
)

const usage = `kv-etcd --id ID --cluster ID=HOST:PORT,... --dir DIR [options]
       kv-etcd dump DIR/raft    what etcd's reader finds in the log of a node that is stopped, as JSON
       kv-etcd --help           the options
`

func logLine(level, format string, arguments ...any) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	fmt.Fprintf(os.Stderr, "%s %-5s %s\n", now, level, fmt.Sprintf(format, arguments...))
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "dump" {
		if err := dump(os.Stdout, os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "kv-etcd:", err)
			os.Exit(1)
		}
		return
	}
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "kv-etcd: %v\nusage: %s", err, usage)
		os.Exit(2)
	}
	if err := serve(o); err != nil {
		logLine("ERROR", "%v", err)
		os.Exit(1)
	}
}

// serve runs the node until a signal asks it to stop, or it fails.
func serve(o options) error {
	wal.SegmentSizeBytes = o.segmentBytes
	signals, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := o.loadTLS(); err != nil {
		return err
	}
	n, err := openNode(o)
	if err != nil {
		return err
	}
	go n.run()
	server := &http.Server{
		Addr: o.cluster[o.id], Handler: &routes{n}, TLSConfig: o.tls,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 120 * time.Second,
	}
	failed := make(chan error, 1)
	go func() {
		if o.tls == nil {
			failed <- server.ListenAndServe()
		} else {
			failed <- server.ListenAndServeTLS("", "")
		}
	}()
	logLine("INFO", "node %d answers on %s://%s, on raft %s", o.id, o.scheme(), server.Addr, raftVersion)
	select {
	case err = <-failed:
	case err = <-n.ended:
		return err
	case <-signals.Done():
		logLine("INFO", "stopping")
		err = nil
	}
	close(n.stopped)
	err = errors.Join(err, <-n.ended)
	return errors.Join(err, server.Close())
}
