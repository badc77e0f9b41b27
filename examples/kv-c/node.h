/* One node: the engine, and what its callbacks and the HTTP routes share. */
#ifndef KV_NODE_H
#define KV_NODE_H

#include <stdatomic.h>

#include "kv.h"
#include "options.h"
#include "peers.h"

/* Since the process began, except starts: that one is kept in DIR/starts. */
struct counters {
    _Atomic uint64_t writes, reads, elections;
    _Atomic uint64_t snapshots_saved, snapshot_bytes_saved;
    _Atomic uint64_t snapshots_restored, snapshot_bytes_restored;
    uint64_t starts;
};

struct node {
    uint64_t id, cluster_id;
    struct tls_files tls;
    rft_engine_t *engine;
    struct kv *kv;
    struct peers *peers;
    struct counters counters;
};

/* Opens what --dir holds and starts the engine. False, with the reason logged, when it cannot. */
bool node_open(struct node *node, const struct options *options);
/* Ends the engine's threads; every waiting request is answered. */
void node_stop(struct node *node);
void node_free(struct node *node);

#endif
