package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp"
)

const (
	smallBodyMax = 64 << 10
	waitLimit    = 5 * time.Second // how long a request waits for the cluster
	closeLimit   = 3 * time.Second
)

// server answers HTTP for a node.
type server struct {
	http   *http.Server
	failed chan error // one, when it ends by itself
}

func newServer(n *node) *server {
	s := &server{http: rfthttp.NewServer(n, n.tls), failed: make(chan error, 1)}
	s.http.ErrorLog = log.New(debugLines{n.log}, "", 0)
	return s
}

func (s *server) listen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	serve := func() error { return s.http.Serve(listener) }
	if s.http.TLSConfig != nil {
		serve = func() error { return s.http.ServeTLS(listener, "", "") }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return nil
}

// close gives the answers under way some time to leave.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

// debugLines takes what net/http says of clients, which is of interest to few.
type debugLines struct{ log *slog.Logger }

func (d debugLines) Write(text []byte) (int, error) {
	d.log.Debug(strings.TrimSpace(string(text)))
	return len(text), nil
}

// route is what a path does.
type route struct {
	method  string
	bodyMax int
	run     func(n *node, to http.ResponseWriter, request *http.Request, body []byte)
}

// routesOf gives what a path does, by methods; none: there is no such path.
func routesOf(path string) []route {
	switch {
	case strings.HasPrefix(path, kvPrefix):
		return []route{{"PUT", valueMax, putKey}, {"DELETE", 0, deleteKey}, {"GET", 0, getKey}}
	case path == "/status":
		return []route{{"GET", 0, status}}
	case path == "/members":
		return []route{{"POST", smallBodyMax, changeMembers}, {"PUT", smallBodyMax, setMembers}}
	case path == "/snapshot":
		return []route{{"POST", smallBodyMax, snapshot}}
	case strings.HasPrefix(path, transferPrefix):
		return []route{{"POST", smallBodyMax, transfer}}
	default:
		return nil
	}
}

// ServeHTTP finds the route and reads the body, within its limits.
func (n *node) ServeHTTP(to http.ResponseWriter, request *http.Request) {
	if path := request.URL.Path; path == "/raft" || n.options.rafthttp && strings.HasPrefix(path, "/raft/") {
		n.transport.ServeHTTP(to, request)
		return
	}
	routes := routesOf(request.URL.Path)
	if routes == nil {
		reply(to, http.StatusNotFound, "there is no such path")
		return
	}
	var methods []string
	for _, route := range routes {
		if methods = append(methods, route.method); route.method != request.Method {
			continue
		}
		if body, err := read(to, request, route.bodyMax); err == nil {
			route.run(n, to, request, body)
		}
		return
	}
	to.Header().Set("Allow", strings.Join(methods, ", "))
	reply(to, http.StatusMethodNotAllowed, strings.Join(methods, ", "))
}

// read takes the body. One that is too long, or does not come, is answered here.
func read(to http.ResponseWriter, request *http.Request, most int) ([]byte, error) {
	long := &http.MaxBytesError{Limit: int64(most)}
	err := error(long)
	if request.ContentLength <= int64(most) {
		var body []byte
		body, err = io.ReadAll(http.MaxBytesReader(to, request.Body, int64(most)))
		if err == nil {
			return body, nil
		}
	}
	// Without this the server would wait for the rest of the body before it answers.
	to.Header().Set("Connection", "close")
	switch {
	case errors.As(err, &long):
		reply(to, http.StatusRequestEntityTooLarge, "the body is too large")
	case errors.Is(err, os.ErrDeadlineExceeded):
		reply(to, http.StatusRequestTimeout, "the body did not come in time")
	default:
		reply(to, http.StatusBadRequest, "the body did not come")
	}
	return nil, err
}
