// kv-go: one node of a replicated key-value service. ../README.md tells what it answers over HTTP.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if err != nil {
		os.Exit(2)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	log := newLogger(os.Stderr, o.verbose)
	n, err := openNode(o, log)
	if err != nil {
		log.Error(err.Error())
		os.Exit(1)
	}
	s := newServer(n)
	if err := s.listen(o.cluster.address(o.id)); err != nil {
		log.Error(err.Error())
		n.close()
		os.Exit(1)
	}
	log.Info(fmt.Sprintf("node %d answers on %s://%s", o.id, n.scheme(), o.cluster.address(o.id)))
	code := 0
	select {
	case <-signals:
		log.Info("stopping")
	case err := <-s.failed:
		log.Error(err.Error())
		code = 1
	}
	// The engine first: it answers the requests that wait, and the server can end.
	n.close()
	s.close()
	os.Exit(code)
}
