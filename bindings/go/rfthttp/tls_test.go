package rfthttp

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func writePEM(t *testing.T, kind string, bytes []byte) string {
	path := filepath.Join(t.TempDir(), "x.pem")
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
	return path
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	certificate, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{certificate, key, writePEM(t, "CERTIFICATE", der)}
}

// config is that of a node or client of this name, at 127.0.0.1 or another address.
func (a *authority) config(t *testing.T, name, address string) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.ParseIP(address)},
		KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	config, err := LoadTLS(a.file, writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", private))
	must(t, err)
	return config
}

func (a *authority) node(t *testing.T, id uint64) *tls.Config {
	return a.config(t, NodeName(id), "127.0.0.1")
}

func TestThreeNodesAgreeOverTLS(t *testing.T) {
	authority := newAuthority(t)
	threeAgree(t, func(id uint64) *tls.Config { return authority.node(t, id) })
}

// post sends one request with a body of this length, of which not a byte goes out, and gives the status.
func post(t *testing.T, address string, config *tls.Config, cluster, from string) (int, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "POST /raft HTTP/1.1\r\nHost: x\r\nX-Etcd-Cluster-ID: "+cluster+"\r\nX-Server-From: "+from+
		"\r\nContent-Type: application/protobuf\r\nContent-Length: 1000000\r\n\r\n")
	if err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, nil
}

func TestWhoDoesNotBelongIsRefused(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	n := serveTLS(t, ours.node(t, 1), 1, 1, 2, 3)
	address := n.server.Listener.Addr().String()
	bare := ours.node(t, 2)
	bare.Certificates = nil
	stranger := foreign.node(t, 2)
	stranger.RootCAs = bare.RootCAs
	for what, try := range map[string]struct {
		config        *tls.Config
		cluster, from string
		want          int
	}{
		"another cluster":                  {ours.node(t, 2), "2", "2", 412},
		"a forged sender":                  {ours.node(t, 2), "1", "3", 403},
		"a client":                         {ours.config(t, "alice", "127.0.0.1"), "1", "2", 403},
		"a name that only begins alike":    {ours.config(t, "rft-node-22", "127.0.0.1"), "1", "2", 403},
		"no certificate":                   {bare, "1", "2", 0},
		"a certificate of somebody else's": {stranger, "1", "2", 0},
	} {
		if status, err := post(t, address, try.config, try.cluster, try.from); status != try.want || (err != nil) != (try.want == 0) {
			t.Errorf("%s: %d, %v", what, status, err)
		}
	}
	// Without TLS nothing comes as far as HTTP.
	response, err := http.Post("http://"+address+"/raft", typeMessage, strings.NewReader("x"))
	if err != nil || response.StatusCode != http.StatusBadRequest {
		t.Error(response, err)
	}
	// And where a server lets it, the transport does not.
	request := httptest.NewRequest("POST", "/raft", strings.NewReader("x"))
	request.Header.Set(headerCluster, "1")
	request.Header.Set(headerFrom, "2")
	answer := httptest.NewRecorder()
	n.transport.ServeHTTP(answer, request)
	if answer.Code != http.StatusForbidden {
		t.Error(answer.Code)
	}
}

// A node tells nothing to a peer that cannot show where it belongs.
func TestPeersAreChecked(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	for what, config := range map[string]*tls.Config{
		"ours": ours.node(t, 2), "another authority's": foreign.node(t, 2), "at another address": ours.config(t, NodeName(2), "127.0.0.2"),
	} {
		asked := make(chan bool, 100)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) {
			asked <- true
			to.WriteHeader(http.StatusNoContent)
		}))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = config
		server.StartTLS()
		refused := make(chan error, 100)
		transport, err := New(Options{
			ID: 1, TLS: ours.node(t, 1), Peers: map[uint64]string{2: server.URL},
			OnPeer: func(_ uint64, _ string, err error) { refused <- err },
		})
		must(t, err)
		transport.Send([]rft.Message{{To: 2, Data: []byte("x")}})
		select {
		case <-asked:
			if what != "ours" {
				t.Error(what, "was spoken to")
			}
		case err := <-refused:
			var verify *tls.CertificateVerificationError
			if what == "ours" || !errors.As(err, &verify) || len(asked) > 0 {
				t.Error(what, err)
			}
		case <-time.After(patience):
			t.Fatal(what, "nothing happened")
		}
		must(t, transport.Close())
		server.Close()
	}
}

// A host may have another rule, and it rules alone.
func TestSenderIsTheHostsRule(t *testing.T) {
	n := serve(t, 1, 1, 2)
	n.transport.options.Sender = func(request *http.Request, from uint64) error {
		if request.Header.Get("Token") != "of "+NodeName(from) {
			return errors.New("no token")
		}
		return nil
	}
	for token, want := range map[string]int{"of rft-node-2": 204, "of rft-node-3": 403, "": 403} {
		request, err := http.NewRequest("POST", n.server.URL+"/raft", bytes.NewReader([]byte{0x08, 8, 0x10, 1, 0x18, 2, 0x20, 1}))
		must(t, err)
		request.Header.Set(headerCluster, "1")
		request.Header.Set(headerFrom, "2")
		request.Header.Set("Token", token)
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%q: %s", token, response.Status)
		}
	}
}

func TestLoadTLSRefuses(t *testing.T) {
	a := newAuthority(t)
	none := filepath.Join(t.TempDir(), "none")
	empty := writePEM(t, "NOTHING", nil)
	for _, files := range [][3]string{{none, a.file, a.file}, {empty, a.file, a.file}, {a.file, a.file, none}, {a.file, a.file, a.file}} {
		if _, err := LoadTLS(files[0], files[1], files[2]); err == nil {
			t.Error(files)
		}
	}
}
