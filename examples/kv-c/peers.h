/* Messages to the other nodes, over HTTP: a thread, a bounded queue and a kept-alive connection a peer.
 * Raft survives every message that is lost here, so nothing is sent twice and nothing ever blocks. */
#ifndef KV_PEERS_H
#define KV_PEERS_H

#include <rft.h>

#include "members.h"
#include "tls.h"

struct peers;

/* NULL when memory is out. With `tls` the peers are spoken to by HTTPS and have to be signed by its
 * authority. */
struct peers *peers_new(uint64_t self, uint64_t cluster_id, const struct tls_files *tls);

/* Adds a peer or gives it another address. Peers are never taken away: the engine sends to members only,
 * and a removed one has to hear of its removal. Any thread, one at a time. */
void peers_set(struct peers *peers, const struct members *members);

/* Copies the last known address to `out`; false when there is none. Any thread. */
bool peers_address(struct peers *peers, uint64_t id, char out[MEMBER_ADDRESS_MAX + 1]);

/* rft_host_t's send: queues and returns. */
void peers_send(struct peers *peers, const rft_message_t *messages, size_t n);

/* From here on the engine is told of peers that cannot be reached. */
void peers_report_to(struct peers *peers, rft_engine_t *engine);

/* Ends the threads; what is queued is lost. Before rft_engine_free, because of the reports. */
void peers_stop(struct peers *peers);
void peers_free(struct peers *peers);

#endif
