#define _POSIX_C_SOURCE 200809L

#include "peers.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "log.h"

#define QUEUE_MESSAGES_MAX 4096
#define QUEUE_BYTES_MAX (64u << 20)
#define BATCH_BYTES_MAX (4u << 20) /* a longer single message travels alone */
#define CONNECT_TIMEOUT_MS 1000L
#define POST_TIMEOUT_MS 5000L
#define URL_MAX (MEMBER_ADDRESS_MAX + 16)

struct message {
    struct message *next;
    size_t len;
    uint8_t data[];
};

struct peer {
    struct peer *next;
    struct peers *peers;
    uint64_t id;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    char address[MEMBER_ADDRESS_MAX + 1];
    struct message *first, **last;
    size_t queued_messages, queued_bytes;
    bool overflowed;
};

struct peers {
    uint64_t self, cluster_id;
    struct tls_files tls;
    _Atomic(rft_engine_t *) engine;
    atomic_bool stopping;
    pthread_mutex_t lock; /* the list; peers in it live until peers_free */
    struct peer *list;
};

/* What one turn of a peer's thread takes from the queue. */
struct batch {
    char address[MEMBER_ADDRESS_MAX + 1];
    struct bytes body;
    size_t count;
    bool overflowed;
};

/* ---- the queue ---- */

static void enqueue(struct peer *peer, const rft_message_t *message) {
    pthread_mutex_lock(&peer->lock);
    bool full = peer->queued_messages >= QUEUE_MESSAGES_MAX ||
                message->len > QUEUE_BYTES_MAX - peer->queued_bytes ||
                message->len > FRAMES_BODY_MAX - FRAMES_HEAD;
    struct message *copy = full ? NULL : malloc(sizeof *copy + message->len);
    if (copy == NULL) {
        peer->overflowed = true;
    } else {
        copy->next = NULL;
        copy->len = message->len;
        memcpy(copy->data, message->data, message->len);
        *peer->last = copy;
        peer->last = &copy->next;
        peer->queued_messages++;
        peer->queued_bytes += copy->len;
    }
    pthread_cond_signal(&peer->wake);
    pthread_mutex_unlock(&peer->lock);
}

static struct message *dequeue(struct peer *peer) {
    struct message *message = peer->first;
    peer->first = message->next;
    if (peer->first == NULL) {
        peer->last = &peer->first;
    }
    peer->queued_messages--;
    peer->queued_bytes -= message->len;
    return message;
}

static bool fits(const struct peer *peer, const struct batch *batch) {
    return peer->first != NULL &&
           (batch->count == 0 || batch->body.len + FRAMES_HEAD + peer->first->len <= BATCH_BYTES_MAX);
}

/* Waits for messages and moves as many as make a batch into it. False when it is time to end. */
static bool take(struct peer *peer, struct batch *batch) {
    bytes_clear(&batch->body);
    batch->count = 0;
    pthread_mutex_lock(&peer->lock);
    while (peer->first == NULL && !peer->overflowed && !peer->peers->stopping) {
        pthread_cond_wait(&peer->wake, &peer->lock);
    }
    while (fits(peer, batch)) {
        struct message *message = dequeue(peer);
        frames_append(&batch->body, message->data, message->len);
        batch->count++;
        free(message);
    }
    batch->overflowed = peer->overflowed;
    peer->overflowed = false;
    memcpy(batch->address, peer->address, sizeof batch->address);
    pthread_mutex_unlock(&peer->lock);
    return !peer->peers->stopping;
}

/* ---- the connection ---- */

/* Lets peers_stop interrupt a transfer. */
static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    const struct peers *peers = user;
    return peers->stopping;
}

static size_t discard(char *data, size_t size, size_t count, void *user) {
    (void)data, (void)user;
    return size * count;
}

static struct curl_slist *headers(const struct peers *peers, const char *content_type) {
    char cluster[64], from[64];
    snprintf(cluster, sizeof cluster, "X-Etcd-Cluster-ID: %" PRIx64, peers->cluster_id);
    snprintf(from, sizeof from, "X-Server-From: %" PRIx64, peers->self);
    struct curl_slist *list = curl_slist_append(NULL, cluster);
    list = curl_slist_append(list, from);
    list = curl_slist_append(list, content_type);
    return curl_slist_append(list, "Expect:"); /* no waiting for 100-continue */
}

static CURL *connection(struct peers *peers) {
    CURL *curl = curl_easy_init();
    if (curl != NULL) {
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, POST_TIMEOUT_MS);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, peers);
    }
    if (curl != NULL && peers->tls.authority != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, peers->tls.authority);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* no other authority counts */
        curl_easy_setopt(curl, CURLOPT_SSLCERT, peers->tls.certificate);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, peers->tls.key);
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    }
    return curl;
}

/* One POST. NULL when the peer took all, else the reason. */
static const char *post(CURL *curl, const char *scheme, const struct batch *batch, struct curl_slist *bare,
                        struct curl_slist *framed) {
    char url[URL_MAX + 1];
    snprintf(url, sizeof url, "%s://%s/raft", scheme, batch->address);
    /* A single message goes bare, as rafthttp's pipeline sends it. */
    size_t skip = batch->count == 1 ? FRAMES_HEAD : 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, skip > 0 ? bare : framed);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(batch->body.len - skip));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, batch->body.data + skip);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    if (code != CURLE_OK) {
        return curl_easy_strerror(code);
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    switch (status) {
    case 204:
        return NULL;
    case 403:
        return "it does not take this node's certificate for this node's";
    case 412:
        return "it belongs to another cluster";
    case 503:
        return "it is busy";
    default:
        return "it refused the messages";
    }
}

static void *run(void *arg) {
    struct peer *peer = arg;
    struct peers *peers = peer->peers;
    CURL *curl = connection(peers);
    struct curl_slist *bare = headers(peers, "Content-Type: " CONTENT_TYPE_MESSAGE);
    struct curl_slist *framed = headers(peers, "Content-Type: " CONTENT_TYPE_FRAMES);
    const char *scheme = peers->tls.authority != NULL ? "https" : "http";
    struct batch batch = {0};
    bool reachable = true;
    while (curl != NULL && take(peer, &batch)) {
        const char *why = NULL;
        if (batch.body.failed) {
            bytes_free(&batch.body);
            why = "memory is out";
        } else if (batch.count > 0) {
            why = post(curl, scheme, &batch, bare, framed);
        }
        if ((why == NULL) != reachable && !peers->stopping) {
            reachable = why == NULL;
            log_line(reachable ? RFT_LOG_INFO : RFT_LOG_WARN, "node %" PRIu64 " at %s: %s", peer->id,
                     batch.address, reachable ? "reachable again" : why);
        }
        rft_engine_t *engine = peers->engine;
        if ((why != NULL || batch.overflowed) && engine != NULL) {
            rft_engine_report_unreachable(engine, peer->id, NULL);
        }
    }
    bytes_free(&batch.body);
    curl_slist_free_all(bare);
    curl_slist_free_all(framed);
    curl_easy_cleanup(curl);
    return NULL;
}

/* ---- the list ---- */

struct peers *peers_new(uint64_t self, uint64_t cluster_id, const struct tls_files *tls) {
    struct peers *peers = calloc(1, sizeof *peers);
    if (peers != NULL) {
        peers->self = self;
        peers->cluster_id = cluster_id;
        peers->tls = *tls;
        pthread_mutex_init(&peers->lock, NULL);
    }
    return peers;
}

static struct peer *find(struct peers *peers, uint64_t id) {
    pthread_mutex_lock(&peers->lock);
    struct peer *peer = peers->list;
    while (peer != NULL && peer->id != id) {
        peer = peer->next;
    }
    pthread_mutex_unlock(&peers->lock);
    return peer;
}

static void add(struct peers *peers, const struct member *member) {
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        log_line(RFT_LOG_ERROR, "node %" PRIu64 ": no memory for its queue", member->id);
        return;
    }
    peer->peers = peers;
    peer->id = member->id;
    peer->last = &peer->first;
    memcpy(peer->address, member->address, sizeof peer->address);
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->wake, NULL);
    if (pthread_create(&peer->thread, NULL, run, peer) != 0) {
        log_line(RFT_LOG_ERROR, "node %" PRIu64 ": no thread for its queue", member->id);
        free(peer);
        return;
    }
    pthread_mutex_lock(&peers->lock);
    peer->next = peers->list;
    peers->list = peer;
    pthread_mutex_unlock(&peers->lock);
}

void peers_set(struct peers *peers, const struct members *members) {
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->items[i];
        if (member->id == peers->self) {
            continue;
        }
        struct peer *peer = find(peers, member->id);
        if (peer == NULL) {
            add(peers, member);
            continue;
        }
        pthread_mutex_lock(&peer->lock);
        memcpy(peer->address, member->address, sizeof peer->address);
        pthread_mutex_unlock(&peer->lock);
    }
}

bool peers_address(struct peers *peers, uint64_t id, char out[MEMBER_ADDRESS_MAX + 1]) {
    struct peer *peer = find(peers, id);
    if (peer != NULL) {
        pthread_mutex_lock(&peer->lock);
        memcpy(out, peer->address, sizeof peer->address);
        pthread_mutex_unlock(&peer->lock);
    }
    return peer != NULL;
}

void peers_send(struct peers *peers, const rft_message_t *messages, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct peer *peer = find(peers, messages[i].to);
        if (peer != NULL) {
            enqueue(peer, &messages[i]);
        }
    }
}

void peers_report_to(struct peers *peers, rft_engine_t *engine) {
    peers->engine = engine;
}

void peers_stop(struct peers *peers) {
    peers->stopping = true;
    for (struct peer *peer = peers->list; peer != NULL; peer = peer->next) {
        pthread_mutex_lock(&peer->lock);
        pthread_cond_signal(&peer->wake);
        pthread_mutex_unlock(&peer->lock);
    }
    for (struct peer *peer = peers->list; peer != NULL; peer = peer->next) {
        pthread_join(peer->thread, NULL);
    }
}

void peers_free(struct peers *peers) {
    if (peers == NULL) {
        return;
    }
    struct peer *peer = peers->list;
    while (peer != NULL) {
        struct peer *next = peer->next;
        while (peer->first != NULL) {
            free(dequeue(peer));
        }
        pthread_cond_destroy(&peer->wake);
        pthread_mutex_destroy(&peer->lock);
        free(peer);
        peer = next;
    }
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}
