/// The server's side of TLS: everybody has to show a certificate that this node's authority has signed.
#ifndef KV_TLS_HPP
#define KV_TLS_HPP

#include "options.hpp"

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace kv {

struct FreeContext {
    void operator()(SSL_CTX *context) const {
        SSL_CTX_free(context);
    }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeContext>;

/// Nothing, with the reason logged, when the files are of no use.
TlsContext load_tls(const TlsFiles &files);

/// The common name in the certificate of who is at the other end; empty when there is none.
std::string common_name(const SSL *ssl);

} // namespace kv

#endif // KV_TLS_HPP
