/* The HTTP server: reads requests, hands each to its route, a thread a connection. */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include "node.h"

struct server;

/* Listens on host:port. NULL when that cannot be. The node must stay until server_stop. */
struct server *server_start(struct node *node, const char *address);
/* After node_stop, so that no request waits any more. */
void server_stop(struct server *server);

#endif
