#define _DEFAULT_SOURCE

#include "watch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#ifdef __linux__
#include <linux/tcp.h>
#include <netinet/in.h>
#endif

#include "clock.h"

#define LOOK_EVERY_MS 250

enum phase { IDLE, RECEIVING, ANSWERING };

struct watched {
    struct watched *next, **link;
    struct watch *watch;
    int fd;
    enum phase phase;
    uint64_t since;    /* in this phase, ms */
    uint64_t received; /* bytes, when it became idle */
};

struct watch {
    pthread_t thread;
    pthread_mutex_t lock; /* all below, and all connections */
    bool stopping;
    struct watched *list;
};

/* Bytes that have arrived on a connection so far. Where that is not told, a head has as long as an idle
 * connection may last. */
static uint64_t received(int fd) {
#ifdef __linux__
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_received : 0;
#else
    (void)fd;
    return 0;
#endif
}

static void enter(struct watched *watched, enum phase phase) {
    watched->phase = phase;
    watched->since = clock_ms();
}

static void look(struct watched *watched) {
    if (watched->phase == IDLE && received(watched->fd) != watched->received) {
        enter(watched, RECEIVING);
    }
    uint64_t limit = watched->phase == RECEIVING ? REQUEST_SECONDS : IDLE_SECONDS;
    if (clock_ms() - watched->since > limit * 1000) {
        shutdown(watched->fd, SHUT_RDWR); /* its thread sees the end, and closes it */
    }
}

static void *run(void *arg) {
    struct watch *watch = arg;
    for (bool stopping = false; !stopping; clock_sleep_ms(stopping ? 0 : LOOK_EVERY_MS)) {
        pthread_mutex_lock(&watch->lock);
        for (struct watched *watched = watch->list; watched != NULL; watched = watched->next) {
            look(watched);
        }
        stopping = watch->stopping;
        pthread_mutex_unlock(&watch->lock);
    }
    return NULL;
}

struct watch *watch_start(void) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch != NULL) {
        pthread_mutex_init(&watch->lock, NULL);
        if (pthread_create(&watch->thread, NULL, run, watch) != 0) {
            free(watch);
            return NULL;
        }
    }
    return watch;
}

void watch_stop(struct watch *watch) {
    if (watch != NULL) {
        pthread_mutex_lock(&watch->lock);
        watch->stopping = true;
        pthread_mutex_unlock(&watch->lock);
        pthread_join(watch->thread, NULL);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
    }
}

struct watched *watch_open(struct watch *watch, int fd) {
    struct watched *watched = calloc(1, sizeof *watched);
    if (watched != NULL) {
        watched->watch = watch;
        watched->fd = fd;
        enter(watched, RECEIVING);
        pthread_mutex_lock(&watch->lock);
        watched->next = watch->list;
        watched->link = &watch->list;
        if (watched->next != NULL) {
            watched->next->link = &watched->next;
        }
        watch->list = watched;
        pthread_mutex_unlock(&watch->lock);
    }
    return watched;
}

void watch_head(struct watched *watched) {
    if (watched != NULL) {
        pthread_mutex_lock(&watched->watch->lock);
        if (watched->phase != RECEIVING) { /* it may have been seen to begin */
            enter(watched, RECEIVING);
        }
        pthread_mutex_unlock(&watched->watch->lock);
    }
}

void watch_whole(struct watched *watched) {
    if (watched != NULL) {
        pthread_mutex_lock(&watched->watch->lock);
        enter(watched, ANSWERING);
        pthread_mutex_unlock(&watched->watch->lock);
    }
}

void watch_idle(struct watched *watched) {
    if (watched != NULL) {
        pthread_mutex_lock(&watched->watch->lock);
        watched->received = received(watched->fd);
        enter(watched, IDLE);
        pthread_mutex_unlock(&watched->watch->lock);
    }
}

void watch_close(struct watched *watched) {
    if (watched != NULL) {
        pthread_mutex_lock(&watched->watch->lock);
        *watched->link = watched->next;
        if (watched->next != NULL) {
            watched->next->link = watched->link;
        }
        pthread_mutex_unlock(&watched->watch->lock);
        free(watched);
    }
}
