#include "tls.hpp"

#include "log.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

namespace kv {

static bool told(const std::string &path, int ok) {
    if (ok != 1) {
        char text[256];
        ERR_error_string_n(ERR_get_error(), text, sizeof text);
        log(rft::LogLevel::error, path + ": " + text);
    }
    return ok == 1;
}

TlsContext load_tls(const TlsFiles &files) {
    TlsContext context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX *raw = context.get();
    if (raw == nullptr ||
        !told(files.authority, SSL_CTX_load_verify_locations(raw, files.authority.c_str(), nullptr)) ||
        !told(files.certificate, SSL_CTX_use_certificate_chain_file(raw, files.certificate.c_str())) ||
        !told(files.key, SSL_CTX_use_PrivateKey_file(raw, files.key.c_str(), SSL_FILETYPE_PEM))) {
        return nullptr;
    }
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Every connection shows its certificate anew: nothing is resumed, and nothing renegotiated.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(raw, 0);
    SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

std::string common_name(const SSL *ssl) {
    std::unique_ptr<X509, decltype(&X509_free)> certificate(
        ssl == nullptr ? nullptr : SSL_get1_peer_certificate(ssl), X509_free);
    if (certificate == nullptr) {
        return {};
    }
    X509_NAME *subject = X509_get_subject_name(certificate.get());
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = nullptr;
    const int size =
        at < 0 ? -1 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) {
        return {};
    }
    std::string name(reinterpret_cast<const char *>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return name;
}

} // namespace kv
