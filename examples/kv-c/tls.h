/* The server's side of TLS: everybody has to show a certificate that this node's authority has signed. */
#ifndef KV_TLS_H
#define KV_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Paths of PEM files; all NULL is no TLS. */
struct tls_files {
    const char *authority, *certificate, *key;
};

struct MHD_Connection;
struct MHD_OptionItem;

#define TLS_OPTIONS 4
/* Reads the files and writes TLS_OPTIONS things that the daemon has to be started with. False, with the
 * reason logged, when they are of no use. One server a process: what is read stays until tls_unload. */
bool tls_load(const struct tls_files *files, struct MHD_OptionItem *options);
void tls_unload(void);

/* Whether the one who speaks is node `id` by its certificate's common name, rft-node-ID. */
bool tls_is_node(struct MHD_Connection *connection, uint64_t id);

#endif
