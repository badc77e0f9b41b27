#include "tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define CHAIN_MAX 8
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* GnuTLS asks for the certificate by a callback that has no place for a pointer of ours. */
static struct {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_len;
    gnutls_privkey_t key;
    gnutls_datum_t authority;
} loaded;

/* Called in each handshake, before the client is asked for its certificate. libmicrohttpd makes that a
 * request; here it becomes a demand, and what comes is verified before the handshake ends. */
static int on_handshake(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                        const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
                        unsigned *chain_len, gnutls_privkey_t *key) {
    (void)authorities, (void)authority_count, (void)algorithms, (void)algorithm_count;
    static gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                            .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
    *chain = loaded.chain;
    *chain_len = loaded.chain_len;
    *key = loaded.key;
    return 0;
}

static int load_chain(const char *path) {
    gnutls_datum_t text = {0};
    int code = gnutls_load_file(path, &text);
    if (code >= 0) {
        unsigned len = CHAIN_MAX;
        code = gnutls_pcert_list_import_x509_raw(loaded.chain, &len, &text, GNUTLS_X509_FMT_PEM,
                                                 GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
        loaded.chain_len = code >= 0 ? len : 0;
        gnutls_free(text.data);
    }
    return code;
}

static int load_key(const char *path) {
    gnutls_datum_t text = {0};
    int code = gnutls_load_file(path, &text);
    if (code >= 0) {
        code = gnutls_privkey_init(&loaded.key);
    }
    if (code >= 0) {
        code = gnutls_privkey_import_x509_raw(loaded.key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (text.data != NULL) {
        gnutls_memset(text.data, 0, text.size);
        gnutls_free(text.data);
    }
    return code;
}

static bool told(const char *path, int code) {
    if (code < 0) {
        log_line(RFT_LOG_ERROR, "%s: %s", path, gnutls_strerror(code));
    }
    return code >= 0;
}

bool tls_load(const struct tls_files *files, struct MHD_OptionItem *options) {
    if (!told(files->authority, gnutls_load_file(files->authority, &loaded.authority)) ||
        !told(files->certificate, load_chain(files->certificate)) ||
        !told(files->key, load_key(files->key))) {
        tls_unload();
        return false;
    }
    /* What gnutls_load_file gives ends with a NUL. */
    options[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, loaded.authority.data};
    options[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)on_handshake};
    options[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES};
    options[3] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return true;
}

void tls_unload(void) {
    for (unsigned i = 0; i < loaded.chain_len; i++) {
        gnutls_pcert_deinit(&loaded.chain[i]);
    }
    loaded.chain_len = 0;
    if (loaded.key != NULL) {
        gnutls_privkey_deinit(loaded.key);
        loaded.key = NULL;
    }
    gnutls_free(loaded.authority.data);
    loaded.authority = (gnutls_datum_t){0};
}

bool tls_is_node(struct MHD_Connection *connection, uint64_t id) {
    char expected[32], name[64];
    size_t len = sizeof name;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned count = 0;
    const gnutls_datum_t *chain =
        info != NULL ? gnutls_certificate_get_peers((gnutls_session_t)info->tls_session, &count) : NULL;
    gnutls_x509_crt_t certificate;
    if (chain == NULL || count == 0 || gnutls_x509_crt_init(&certificate) < 0) {
        return false;
    }
    bool ok = gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) >= 0 &&
              gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) >= 0;
    gnutls_x509_crt_deinit(certificate);
    int expected_len = snprintf(expected, sizeof expected, "rft-node-%" PRIu64, id);
    return ok && len == (size_t)expected_len && memcmp(name, expected, len) == 0;
}
