/* What each path does. */
#ifndef KV_ROUTES_H
#define KV_ROUTES_H

#include "request.h"

/* The longest body that this method and path may have. */
size_t route_body_max(const char *method, const char *path);
/* Before the body: queues a reply when the head alone is reason enough to refuse. */
enum MHD_Result route_head(struct request *request);
enum MHD_Result route(struct request *request);

/* One file each. */
enum MHD_Result route_kv(struct request *request);          /* PUT, DELETE and GET below KV_PREFIX */
enum MHD_Result route_members(struct request *request);     /* POST /members */
enum MHD_Result route_member_list(struct request *request); /* PUT /members */
enum MHD_Result route_raft(struct request *request);        /* POST /raft */
enum MHD_Result route_raft_head(struct request *request);   /* before its body */
enum MHD_Result route_status(struct request *request);      /* GET /status */

#define KV_PREFIX "/kv/"

/* How long a request waits for the cluster, in ms. */
#define WAIT_MS 5000

#endif
