#define _POSIX_C_SOURCE 200809L

#include "server.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "routes.h"
#include "watch.h"

#define CONNECTIONS_MAX 1000u

struct server {
    struct node *node;
    struct watch *watch;
    struct MHD_Daemon *daemon;
};

static struct watched *watched(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
    struct server *server = user;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = watch_open(server->watch, info->connect_fd);
    } else {
        watch_close(*context);
    }
}

/* Called with the headers first, then with each piece of the body, then with none: the request is whole. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *len,
                                  void **state) {
    (void)version;
    struct server *server = user;
    struct request *request = *state;
    if (request == NULL) {
        request = calloc(1, sizeof *request);
        if (request == NULL) {
            return MHD_NO;
        }
        *state = request;
        watch_head(watched(connection));
        request->node = server->node;
        request->connection = connection;
        request->method = method;
        request->path = url;
        request->body_max = route_body_max(method, url);
        if (!request_is_sound(request)) {
            return reply_text(request, MHD_HTTP_BAD_REQUEST, "a header makes no sense, or comes twice");
        }
        const char *announced = request_header(request, "Content-Length");
        request->too_large = announced != NULL && strtoull(announced, NULL, 10) > request->body_max;
        /* Refused before the client sends it all; otherwise the body comes now. */
        return request->too_large ? route(request) : route_head(request);
    }
    if (*len > 0) {
        /* A chunked body shows its length only as it comes. */
        request->too_large = request->too_large || *len > request->body_max - request->body.len;
        if (!request->too_large) {
            bytes_append(&request->body, data, *len);
        }
        *len = 0;
        return MHD_YES;
    }
    watch_whole(watched(connection));
    return route(request);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
    (void)user, (void)why;
    struct request *request = *state;
    watch_idle(watched(connection));
    if (request != NULL) {
        bytes_free(&request->body);
        free(request);
        *state = NULL;
    }
}

/* Keys may hold any byte, %00 too: the route undoes the percent signs, which knows the length. */
static size_t leave_escaped(void *user, struct MHD_Connection *connection, char *text) {
    (void)user, (void)connection;
    return strlen(text);
}

/* The first address that host:port stands for, or [host]:port; to be freed with freeaddrinfo. */
static struct addrinfo *resolve(const char *address) {
    char host[MEMBER_ADDRESS_MAX + 1] = {0};
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (colon == NULL || (size_t)(colon - address) >= sizeof host) {
        return NULL;
    }
    bool in_brackets = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
    memcpy(host, address + in_brackets, (size_t)(colon - address) - 2u * in_brackets);
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static bool start_daemon(struct server *server, const struct addrinfo *at) {
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    flags |= at->ai_family == AF_INET6 ? (unsigned)MHD_USE_IPv6 : 0;
    struct MHD_OptionItem tls[TLS_OPTIONS] = {{MHD_OPTION_END, 0, NULL}};
    if (server->node->tls.authority != NULL) {
        flags |= MHD_USE_TLS;
        if (!tls_load(&server->node->tls, tls)) {
            return false;
        }
    }
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_SOCK_ADDR, 0, at->ai_addr},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, server},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, NULL},
        {MHD_OPTION_ARRAY, 0, tls},
        {MHD_OPTION_END, 0, NULL},
    };
    /* A thread a connection: a write may wait for the cluster without keeping others from theirs. */
    server->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return server->daemon != NULL;
}

struct server *server_start(struct node *node, const char *address) {
    struct addrinfo *listen_at = resolve(address);
    struct server *server = calloc(1, sizeof *server);
    bool ok = false;
    if (server != NULL && listen_at != NULL) {
        server->node = node;
        server->watch = watch_start();
        ok = server->watch != NULL && start_daemon(server, listen_at);
    }
    if (listen_at != NULL) {
        freeaddrinfo(listen_at);
    }
    if (server != NULL && !ok) {
        tls_unload();
        watch_stop(server->watch);
        free(server);
        return NULL;
    }
    return server;
}

void server_stop(struct server *server) {
    MHD_stop_daemon(server->daemon);
    tls_unload();
    watch_stop(server->watch);
    free(server);
}
