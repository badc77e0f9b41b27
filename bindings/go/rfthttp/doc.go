// Package rfthttp brings the messages of an [rft.Engine] to its peers over HTTP.
//
//	transport, err := rfthttp.New(rfthttp.Options{ID: 1, Peers: map[uint64]string{2: "http://two:8080", 3: "http://three:8080"}})
//	mux.Handle("/raft", transport)
//	engine, err := rft.Open(ctx, config, machine, transport)
//
// Messages travel by POST /raft. The headers X-Etcd-Cluster-ID and X-Server-From, both hex, tell whose they are, and are
// looked at before a byte of the body. Content-Type application/protobuf is one raftpb.Message, as etcd's rafthttp
// pipeline sends it; application/x-raft-frames is any number of them, each behind its length, 8 bytes big-endian. The
// answers: 204 taken; 400 not understood, or another node's messages; 403 another node's certificate; 405 no POST; 408 too
// slow; 412 another cluster; 413 too long; 500 the engine failed; 503 the queue is full or the engine is not open.
//
// # Who may speak
//
// Without TLS whoever reaches the handler can speak for every node: keep it on a network of your own. With
// [Options.TLS], behind a server by [NewServer], only who has a certificate of the authority gets as far as HTTP, and a
// request is taken only from the node that its certificate names, see [NodeName]:
//
//	config, err := rfthttp.LoadTLS("authority.pem", "node1.pem", "node1-key.pem")
//	transport, err := rfthttp.New(rfthttp.Options{ID: 1, TLS: config, Peers: peers})
//	err = rfthttp.NewServer(mux, config).ServeTLS(listener, "", "")
package rfthttp
