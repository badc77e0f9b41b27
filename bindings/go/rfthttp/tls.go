package rfthttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	requestLimit = 10 * time.Second  // for the head and the body of a request
	answerLimit  = 60 * time.Second  // from the head on, until the answer is taken
	idleLimit    = 120 * time.Second // a connection without a request ends
	headBytesMax = 64 << 10
	// A connection is a file, and the log must never lack one.
	connectionsMax = 1000
)

// NodeName is the common name that a node's certificate has to have: "rft-node-4".
func NodeName(id uint64) string { return "rft-node-" + strconv.FormatUint(id, 10) }

// LoadTLS reads the certificates of an authority and a node's own certificate and key, all PEM, for [Options] and
// [NewServer] alike: whoever has a certificate of that authority belongs.
func LoadTLS(authorityFile, certificateFile, keyFile string) (*tls.Config, error) {
	text, err := os.ReadFile(authorityFile)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("rfthttp: %s holds no certificate", authorityFile)
	}
	own, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("rfthttp: %s and %s: %w", certificateFile, keyFile, err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: authorities, ClientCAs: authorities, Certificates: []tls.Certificate{own},
	}, nil
}

// NewServer makes a server with limits: 10 seconds for a request with its body, 60 for all of it, 120 without a request,
// 64 KiB of headers, 1000 connections at a time: one more ends at once. With a TLS configuration it speaks to nobody
// without a certificate that the ClientCAs have signed, or the RootCAs where there are none of these; start it with
// ServeTLS and no file names. It speaks HTTP/1.1 only.
func NewServer(handler http.Handler, config *tls.Config) *http.Server {
	server := &http.Server{
		Handler: handler, ReadTimeout: requestLimit, WriteTimeout: answerLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: headBytesMax, Protocols: new(http.Protocols), ConnState: atMost(connectionsMax),
	}
	server.Protocols.SetHTTP1(true)
	if config != nil {
		server.TLSConfig = config.Clone()
		server.TLSConfig.ClientAuth = tls.RequireAndVerifyClientCert
		if server.TLSConfig.ClientCAs == nil {
			server.TLSConfig.ClientCAs = config.RootCAs
		}
		if server.TLSConfig.ClientCAs == nil {
			server.TLSConfig.ClientCAs = x509.NewCertPool() // or else it would be all the world's authorities
		}
	}
	return server
}

// atMost ends each connection that comes while so many are open.
func atMost(limit int64) func(net.Conn, http.ConnState) {
	var open atomic.Int64
	return func(connection net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > limit {
				_ = connection.Close() // it is told to be closed like all others
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
}

// SenderByName is the rule of a transport with TLS: a request comes from the node whose name its certificate has.
func SenderByName(request *http.Request, from uint64) error {
	return SpeaksFor(request.TLS, from)
}

// SpeaksFor is nil when a connection's other end has shown the certificate of a node, see [NodeName].
func SpeaksFor(connection *tls.ConnectionState, id uint64) error {
	if connection == nil || len(connection.VerifiedChains) == 0 {
		return errors.New("it came without a certificate")
	}
	if name := connection.VerifiedChains[0][0].Subject.CommonName; name != NodeName(id) {
		return fmt.Errorf("the certificate is that of %q, not of %q", name, NodeName(id))
	}
	return nil
}
