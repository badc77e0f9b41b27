/* kv-c: one node of a replicated key-value service. ../README.md tells what it answers over HTTP. */
#define _POSIX_C_SOURCE 200809L

#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "node.h"
#include "server.h"

/* Blocks SIGINT and SIGTERM before any thread begins, so that all inherit it and only main sees them. */
static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Serves until a signal asks to stop. */
static bool serve(struct node *node, const char *address, const sigset_t *signals) {
    struct server *server = server_start(node, address);
    if (server == NULL) {
        log_line(RFT_LOG_ERROR, "cannot listen on %s", address);
        node_stop(node);
        return false;
    }
    log_line(RFT_LOG_INFO, "node %" PRIu64 " answers on %s://%s", node->id,
             node->tls.authority != NULL ? "https" : "http", address);
    int signal_number = 0;
    sigwait(signals, &signal_number);
    log_line(RFT_LOG_INFO, "stopping");
    /* The engine first: it answers the requests that wait, and the server's threads can end. */
    node_stop(node);
    server_stop(server);
    return true;
}

int main(int argc, char **argv) {
    static struct node node;
    struct options options;
    if (!options_parse(&options, argc, argv)) {
        return 2;
    }
    log_level = options.verbose ? RFT_LOG_DEBUG : RFT_LOG_INFO;
    if (rft_check_version() != RFT_OK) {
        log_line(RFT_LOG_ERROR, "compiled for librft %s, running with %s", RFT_VERSION_STRING,
                 rft_version_string());
        return 1;
    }
    sigset_t signals;
    block_signals(&signals);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    bool ok =
        node_open(&node, &options) && serve(&node, members_address(&options.cluster, options.id), &signals);
    node_free(&node);
    curl_global_cleanup();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
