#define _POSIX_C_SOURCE 200809L

#include "node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"

#define STOP_TIMEOUT_MS 10000

/* ---- callbacks: what the library asks of its host ---- */

/* The addresses are part of the replicated state; the transport follows it. */
static void follow_members(struct node *node) {
    struct members members;
    kv_members(node->kv, &members);
    peers_set(node->peers, &members);
}

static void on_send(void *user, const rft_message_t *messages, size_t n) {
    struct node *node = user;
    peers_send(node->peers, messages, n);
}

static rft_status_t on_apply(void *user, const rft_entry_t *entries, size_t n) {
    struct node *node = user;
    rft_status_t status = kv_apply(node->kv, entries, n);
    if (status != RFT_OK) {
        log_line(RFT_LOG_ERROR, "an entry of %" PRIu64 " to %" PRIu64 " cannot be applied: %s",
                 entries[0].index, entries[n - 1].index, rft_status_str(status));
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        if (entries[i].type == RFT_ENTRY_CONF_CHANGE) {
            follow_members(node);
            break;
        }
    }
    return RFT_OK;
}

static rft_status_t on_snapshot_save(void *user, rft_snapshot_writer_t *writer) {
    struct node *node = user;
    return kv_save(node->kv, writer);
}

static rft_status_t on_snapshot_restore(void *user, rft_snapshot_reader_t *reader) {
    struct node *node = user;
    uint64_t bytes = rft_snapshot_len(reader);
    rft_status_t status = kv_restore(node->kv, reader);
    if (status == RFT_OK) {
        follow_members(node);
        node->counters.snapshots_restored++;
        node->counters.snapshot_bytes_restored += bytes;
    }
    return status;
}

static void on_event(void *user, const rft_event_t *event) {
    struct node *node = user;
    switch (event->kind) {
    case RFT_EVENT_ROLE:
        node->counters.elections += event->leader != 0;
        log_line(RFT_LOG_INFO, "term %" PRIu64 ": node %" PRIu64 " leads", event->term, event->leader);
        break;
    case RFT_EVENT_MEMBERSHIP:
        log_line(RFT_LOG_INFO, "membership changed at index %" PRIu64, event->index);
        break;
    case RFT_EVENT_SNAPSHOT_SAVED:
        node->counters.snapshots_saved++;
        node->counters.snapshot_bytes_saved += event->bytes;
        break;
    case RFT_EVENT_RECOVERED:
        log_line(RFT_LOG_INFO, "recovered, with the snapshot at index %" PRIu64 "%s%.*s", event->index,
                 event->text_len > 0 ? ": " : "", (int)event->text_len,
                 event->text_len > 0 ? event->text : "");
        break;
    case RFT_EVENT_DISK_FULL:
        log_line(RFT_LOG_WARN, "the disk is full: %" PRIu64 " bytes are left", event->bytes);
        break;
    case RFT_EVENT_DISK_HAS_ROOM:
        log_line(RFT_LOG_INFO, "the disk has room again: %" PRIu64 " bytes", event->bytes);
        break;
    case RFT_EVENT_FAILED:
        log_line(RFT_LOG_ERROR, "this node has failed: %.*s", (int)event->text_len, event->text);
        break;
    default:
        break; /* a newer library may know more kinds */
    }
}

static void on_log(void *user, int32_t level, const char *text, size_t len) {
    (void)user;
    log_line(level, "rft: %.*s", (int)len, text);
}

/* ---- opening and stopping ---- */

static bool set(rft_config_t *config, int32_t key, uint64_t value) {
    rft_error_t *error = NULL;
    rft_status_t status = rft_config_set(config, key, value, &error);
    if (status != RFT_OK) {
        log_error("a setting is refused", status, error);
    }
    return status == RFT_OK;
}

static bool configure(rft_config_t *config, const struct options *options) {
    bool ok =
        set(config, RFT_CONFIG_ID, options->id) && set(config, RFT_CONFIG_CLUSTER_ID, options->cluster_id);
    if (options->tick_ms != 0) {
        ok = ok && set(config, RFT_CONFIG_TICK_INTERVAL_MS, options->tick_ms);
    }
    if (options->segment_bytes != 0) {
        ok = ok && set(config, RFT_CONFIG_SEGMENT_BYTES, options->segment_bytes);
    }
    if (options->has_snapshot_entries) {
        ok = ok && set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, options->snapshot_entries);
    }
    if (options->has_disk_reserve) {
        ok = ok && set(config, RFT_CONFIG_DISK_RESERVE_BYTES, options->disk_reserve);
    }
    if (options->lease_reads) {
        ok = ok && set(config, RFT_CONFIG_LEASE_READS, 1);
    }
    /* A node that joins has no voters: it learns of them from the leader that takes it in. */
    for (size_t i = 0; ok && !options->join && i < options->cluster.count; i++) {
        ok = rft_config_add_voter(config, options->cluster.items[i].id, NULL) == RFT_OK;
    }
    return ok;
}

/* How many times this directory was started, this time included. A count for people: a lost or torn file
 * only makes it begin again. */
static uint64_t count_start(const char *path) {
    uint64_t starts = 0;
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%" SCNu64, &starts) != 1) {
            starts = 0;
        }
        fclose(file);
    }
    file = fopen(path, "w");
    if (file != NULL) {
        fprintf(file, "%" PRIu64 "\n", starts + 1);
        fclose(file);
    }
    return starts + 1;
}

static bool open_engine(struct node *node, const struct options *options, const char *dir) {
    rft_host_t host = {
        .size = sizeof host,
        .user_data = node,
        .send = on_send,
        .apply = on_apply,
        .snapshot_save = on_snapshot_save,
        .snapshot_restore = on_snapshot_restore,
        .event = on_event,
        .log = on_log,
    };
    rft_config_t *config = rft_config_new();
    if (config == NULL || !configure(config, options)) {
        rft_config_free(config);
        return false;
    }
    rft_error_t *error = NULL;
    rft_status_t status = rft_engine_open(config, dir, strlen(dir), &host, &node->engine, &error);
    rft_config_free(config);
    if (status != RFT_OK) {
        log_error(dir, status, error);
    }
    return status == RFT_OK;
}

bool node_open(struct node *node, const struct options *options) {
    char dir[4096], starts[4096];
    int dir_len = snprintf(dir, sizeof dir, "%s/raft", options->dir);
    int starts_len = snprintf(starts, sizeof starts, "%s/starts", options->dir);
    if (dir_len >= (int)sizeof dir || starts_len >= (int)sizeof starts ||
        (mkdir(options->dir, 0777) != 0 && errno != EEXIST)) {
        log_line(RFT_LOG_ERROR, "cannot make the directory %s: %s", options->dir, strerror(errno));
        return false;
    }
    /* The addresses a new cluster begins with. A node that joins gets them with its first snapshot. */
    static const struct members none;
    node->id = options->id;
    node->cluster_id = options->cluster_id;
    node->tls = options->tls;
    node->kv = kv_new(options->join ? &none : &options->cluster);
    node->peers = peers_new(options->id, options->cluster_id, &options->tls);
    if (node->kv == NULL || node->peers == NULL) {
        log_line(RFT_LOG_ERROR, "memory is out");
        return false;
    }
    /* Callbacks begin inside of rft_engine_open: what they use stands ready before. */
    peers_set(node->peers, &options->cluster);
    if (!open_engine(node, options, dir)) {
        return false;
    }
    node->counters.starts = count_start(starts);
    peers_report_to(node->peers, node->engine);
    return true;
}

void node_stop(struct node *node) {
    rft_error_t *error = NULL;
    rft_status_t status = rft_engine_stop(node->engine, STOP_TIMEOUT_MS, &error);
    if (status != RFT_OK) {
        log_error("the engine does not stop", status, error);
    }
}

void node_free(struct node *node) {
    if (node->peers != NULL) {
        peers_stop(node->peers); /* before the engine goes: its threads report to it */
    }
    rft_engine_free(node->engine);
    peers_free(node->peers);
    kv_free(node->kv);
}
