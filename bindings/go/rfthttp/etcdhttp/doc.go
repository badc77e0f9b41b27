// Package etcdhttp lets an engine sit among peers that speak etcd's rafthttp: nodes on go.etcd.io/raft behind the
// Transport of etcd's server, or nodes of this library behind this package.
//
//	transport, err := etcdhttp.New(etcdhttp.Options{Options: rfthttp.Options{ID: 1, ClusterID: 0x1000, Peers: peers}})
//	mux.Handle("/raft", transport)
//	mux.Handle("/raft/", transport)
//	engine, err := rft.Open(ctx, config, machine, transport)
//
// Each node dials the others, and what it is told comes back as bodies that do not end:
//
//	GET  /raft/stream/msgapp/ID    MsgApp, in frames that leave out what follows from the one before
//	GET  /raft/stream/message/ID   everything else, and MsgApp while there is no such stream
//	POST /raft                     the pipeline: MsgSnap, and everything while there are no streams
//	GET  /raft/probing             whether the node is there
//
// ID is that of who dials, hex. A stream without messages carries a heartbeat of its own now and then, and is given up
// when nothing comes for five seconds. The handler also takes what the nodes of package rfthttp send.
//
// Not there is /raft/snapshot, over which etcd's server, unlike raft itself, sends its database; and nobody is told that
// it was removed, since an etcd server stops for good when it hears that. It takes 403 for it: so does one whose
// certificate is not that of the node it claims to be.
package etcdhttp
