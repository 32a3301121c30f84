#ifndef INTERJECT_COPENSSL_SHIM_H
#define INTERJECT_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

// Macros, which Swift does not see, as functions. No logic.
static inline long copenssl_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
static inline long copenssl_set_read_ahead(SSL_CTX *context) { return SSL_CTX_set_read_ahead(context, 1); }
static inline int copenssl_set_min_version(SSL_CTX *context, int version) {
  return (int)SSL_CTX_set_min_proto_version(context, version);
}
static inline void copenssl_disable_session_cache(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
static inline void copenssl_set_server_name_callback(SSL_CTX *context, int (*callback)(SSL *, int *, void *)) {
  SSL_CTX_set_tlsext_servername_callback(context, callback);
}
static inline void copenssl_set_server_name(SSL *ssl, const char *name) { SSL_set_tlsext_host_name(ssl, name); }
static inline void copenssl_set_context_data(SSL_CTX *context, void *data) { SSL_CTX_set_app_data(context, data); }
static inline void *copenssl_context_data(const SSL *ssl) { return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)); }
static inline int copenssl_is_session_reused(SSL *ssl) { return SSL_session_reused(ssl); }
static inline void copenssl_set_retry(BIO *bio, int flags) { BIO_set_flags(bio, flags | BIO_FLAGS_SHOULD_RETRY); }
static inline void copenssl_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline int copenssl_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
static inline long copenssl_memory_length(BIO *bio, char **data) { return BIO_get_mem_data(bio, data); }
static inline int copenssl_print_subject(BIO *bio, const X509 *certificate) {
  return X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
}
static inline const char *copenssl_rsa_n(void) { return OSSL_PKEY_PARAM_RSA_N; }
static inline const char *copenssl_rsa_e(void) { return OSSL_PKEY_PARAM_RSA_E; }
static inline const char *copenssl_group_name(void) { return OSSL_PKEY_PARAM_GROUP_NAME; }
static inline const char *copenssl_public_key(void) { return OSSL_PKEY_PARAM_PUB_KEY; }
static inline int copenssl_selects_public_key(void) { return EVP_PKEY_PUBLIC_KEY; }
static inline void copenssl_free(void *memory) { OPENSSL_free(memory); }
static inline const char *copenssl_mac_digest_key(void) { return OSSL_MAC_PARAM_DIGEST; }
static inline const char *copenssl_mac_key_key(void) { return OSSL_MAC_PARAM_KEY; }

// Server and client alike: no renegotiation, no compression, the cipher of our order. A client that closes without
// close_notify loses nothing by it; a server that does may have cut its answer, and that is told.
static inline void copenssl_set_options(SSL_CTX *context, bool isServer, bool kernel) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | (isServer ? SSL_OP_IGNORE_UNEXPECTED_EOF : 0) |
                                   (kernel ? SSL_OP_ENABLE_KTLS : 0));
}

// Whether the kernel encrypts what is sent, or decrypts what is received, on the socket of a connection.
static inline bool copenssl_kernel_sends(SSL *ssl) { return BIO_ctrl(SSL_get_wbio(ssl), BIO_CTRL_GET_KTLS_SEND, 0, NULL) > 0; }
static inline bool copenssl_kernel_receives(SSL *ssl) { return BIO_ctrl(SSL_get_rbio(ssl), BIO_CTRL_GET_KTLS_RECV, 0, NULL) > 0; }
static inline bool copenssl_asks_kernel(SSL_CTX *context) { return (SSL_CTX_get_options(context) & SSL_OP_ENABLE_KTLS) != 0; }

#endif
