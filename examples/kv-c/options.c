#include "options.h"

#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "usage: kv-c --id ID --cluster ID=HOST:PORT,... --dir DIR [options]\n"
    "  --id ID               this node\n"
    "  --cluster LIST        where the nodes answer, this one too; without --join they are a new cluster's\n"
    "                        first members: the same list on each\n"
    "  --dir DIR             where this node keeps its log and snapshots\n"
    "  --join                wait to be added to a running cluster (POST /members there)\n"
    "  --cluster-id N        messages of other clusters are refused (default 1)\n"
    "  --tick-ms N           the clock of elections: a follower waits 10 to 20 ticks (default 100)\n"
    "  --snapshot-entries N  a snapshot after so many entries, 0: only by POST /snapshot (default 10000)\n"
    "  --segment-bytes N     length of a file of the log (default 64000000)\n"
    "  --disk-reserve BYTES  with less left on the disk no writes are taken, 0: no matter (default 64 MiB)\n"
    "  --tls-ca FILE         only HTTPS, only for certificates that this authority has signed: with\n"
    "  --tls-cert FILE       this node's certificate, of the common name rft-node-ID, and\n"
    "  --tls-key FILE        its key (all PEM)\n"
    "  --lease-reads         a leader answers reads by its lease; for all nodes or none\n"
    "  --verbose             debug lines too\n";

static bool complain(const char *what, const char *about) {
    fprintf(stderr, "kv-c: %s %s\n%s", what, about, USAGE);
    return false;
}

/* A decimal number, 0 included. */
static bool number(const char *text, uint64_t *value) {
    if (strcmp(text, "0") == 0) {
        *value = 0;
        return true;
    }
    return member_id_parse(text, strlen(text), value);
}

static bool set(struct options *options, const char *flag, const char *value) {
    if (strcmp(flag, "--id") == 0) {
        return number(value, &options->id);
    }
    if (strcmp(flag, "--cluster") == 0) {
        return members_parse(&options->cluster, value, strlen(value));
    }
    if (strcmp(flag, "--dir") == 0) {
        options->dir = value;
        return true;
    }
    if (strcmp(flag, "--tls-ca") == 0) {
        options->tls.authority = value;
        return true;
    }
    if (strcmp(flag, "--tls-cert") == 0) {
        options->tls.certificate = value;
        return true;
    }
    if (strcmp(flag, "--tls-key") == 0) {
        options->tls.key = value;
        return true;
    }
    if (strcmp(flag, "--cluster-id") == 0) {
        return number(value, &options->cluster_id);
    }
    if (strcmp(flag, "--tick-ms") == 0) {
        return number(value, &options->tick_ms);
    }
    if (strcmp(flag, "--segment-bytes") == 0) {
        return number(value, &options->segment_bytes);
    }
    if (strcmp(flag, "--disk-reserve") == 0) {
        options->has_disk_reserve = true;
        return number(value, &options->disk_reserve);
    }
    if (strcmp(flag, "--snapshot-entries") == 0) {
        options->has_snapshot_entries = true;
        return number(value, &options->snapshot_entries);
    }
    return false;
}

bool options_parse(struct options *options, int argc, char **argv) {
    *options = (struct options){.cluster_id = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--join") == 0) {
            options->join = true;
        } else if (strcmp(argv[i], "--lease-reads") == 0) {
            options->lease_reads = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options->verbose = true;
        } else if (i + 1 == argc || !set(options, argv[i], argv[i + 1])) {
            return complain("cannot understand", argv[i]);
        } else {
            i++;
        }
    }
    if (options->id == 0 || options->dir == NULL || options->cluster.count == 0) {
        return complain("needs", "--id, --cluster and --dir");
    }
    if (members_address(&options->cluster, options->id) == NULL) {
        return complain("needs", "this node's own address in --cluster");
    }
    bool has_tls = options->tls.authority != NULL;
    if (has_tls != (options->tls.certificate != NULL) || has_tls != (options->tls.key != NULL)) {
        return complain("needs", "--tls-ca, --tls-cert and --tls-key, or none of them");
    }
    return true;
}
