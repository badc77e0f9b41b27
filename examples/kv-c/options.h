/* The command line. */
#ifndef KV_OPTIONS_H
#define KV_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "members.h"
#include "tls.h"

struct options {
    uint64_t id, cluster_id;
    struct members cluster;
    const char *dir;
    bool join;
    /* 0: the library's default */
    uint64_t tick_ms, segment_bytes;
    /* 0 is a setting here: no snapshots but by request */
    uint64_t snapshot_entries;
    bool has_snapshot_entries;
    /* likewise: all of the disk */
    uint64_t disk_reserve;
    bool has_disk_reserve;
    struct tls_files tls;
    bool lease_reads;
    bool verbose;
};

/* False when the line makes no sense: what is wrong, and the usage, are on stderr then. */
bool options_parse(struct options *options, int argc, char **argv);

#endif
