// What the load programs share: clocks, connections with or without TLS, the handshake, frames made beforehand.
#pragma once
#include "websocket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { room = 1 << 17, events_at_once = 512 };
enum mode { plain, tls, deflated };

static SSL_CTX *secure;

/// A socket, or TLS on one.
struct link {
    int fd;
    SSL *ssl;
};

static inline void die(const char *what) {
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static inline uint64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now)) die("clock_gettime");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/// The processor time of another process, all threads: as clock_getcpuclockid(3).
static inline clockid_t clock_of(const char *pid) { return (clockid_t)(~(uint32_t)atoi(pid) << 3 | 2); }

static inline enum mode mode_named(const char *name) {
    if (!strcmp(name, "plain")) return plain;
    if (!strcmp(name, "deflate")) return deflated;
    if (strcmp(name, "tls")) fprintf(stderr, "plain, tls or deflate\n"), exit(2);
    secure = SSL_CTX_new(TLS_client_method());
    // The same for all: some servers would choose another cipher of those offered.
    if (!SSL_CTX_set_min_proto_version(secure, TLS1_3_VERSION) || !SSL_CTX_set_ciphersuites(secure, "TLS_AES_128_GCM_SHA256")
        || !SSL_CTX_set1_groups_list(secure, "X25519")) die("TLS");
    // The certificate was made for this run.
    SSL_CTX_set_verify(secure, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(secure, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(secure, 1);
    return tls;
}

static inline ssize_t link_send(struct link *l, const void *bytes, size_t length) {
    if (!l->ssl) return send(l->fd, bytes, length, MSG_NOSIGNAL);
    const int now = SSL_write(l->ssl, bytes, (int)length);
    if (now > 0) return now;
    return errno = SSL_get_error(l->ssl, now) == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO, -1;
}

static inline ssize_t link_receive(struct link *l, void *bytes, size_t length) {
    if (!l->ssl) return recv(l->fd, bytes, length, 0);
    const int now = SSL_read(l->ssl, bytes, (int)length);
    if (now > 0) return now;
    const int error = SSL_get_error(l->ssl, now);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    return errno = error == SSL_ERROR_WANT_READ ? EAGAIN : EIO, -1;
}

/// Deflated messages are made without context, so that they can be made beforehand; the server may keep its own.
static inline const char *upgrade_for(enum mode mode) {
    return mode == deflated ? "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; client_max_window_bits\r\n\r\n"
        : "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

/// 1 when it is an upgrade, 0 when it is not whole; exits otherwise.
static inline int is_upgrade(const char *answer, enum mode mode) {
    if (!strstr(answer, "\r\n\r\n")) return 0;
    const int agreed = strcasestr(answer, "permessage-deflate") != NULL;
    if (strstr(answer, " 101 ") && strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") && agreed == (mode == deflated)) return 1;
    fprintf(stderr, "no upgrade, or not that extension: %s", answer);
    exit(1);
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// Connects and asks for the upgrade.
static inline struct link upgrading(int port, enum mode mode) {
    const struct sockaddr_in address = loopback(port);
    const char *upgrade = upgrade_for(mode);
    const int on = 1;
    struct link l = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    if (l.fd < 0 || connect(l.fd, (const struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(l.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (mode == tls && (!(l.ssl = SSL_new(secure)) || !SSL_set_fd(l.ssl, l.fd) || SSL_connect(l.ssl) != 1)) die("TLS");
    if (link_send(&l, upgrade, strlen(upgrade)) < 0) die("send");
    return l;
}

/// Waits for the answer; nonblocking from then on.
static inline void upgraded(struct link *l, enum mode mode) {
    char answer[2048] = {0};
    for (size_t got = 0; !is_upgrade(answer, mode);) {
        const ssize_t now = link_receive(l, answer + got, sizeof answer - 1 - got);
        if (now <= 0) die("no upgrade");
        got += (size_t)now;
    }
    fcntl(l->fd, F_SETFL, O_NONBLOCK);
}

static inline struct link connected(int port, enum mode mode) {
    struct link l = upgrading(port, mode);
    return upgraded(&l, mode), l;
}

static inline void masked(uint8_t *to, const uint8_t *payload, size_t length) {
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    memcpy(to, mask, 4);
    for (size_t i = 0; i < length; i++) to[4 + i] = payload[i] ^ mask[i & 3];
}

/// Events of a model's answer, as they go over the wire: words differ, all else recurs.
static inline void event_text(uint8_t *to, size_t length) {
    static const char *words[] = {"the", "stream", "of", "tokens", "stops", "when", "somebody", "interjects", "and", "goes", "on"};
    uint32_t random = 1;
    for (size_t i = 0, number = 0; i < length; number++) {
        char event[160];
        random = random * 1664525 + 1013904223;
        snprintf(event, sizeof event, "{\"delta\":\" %s\",\"type\":\"response.output_text.delta\",\"sequence_number\":%zu}",
            words[(random >> 16) % (sizeof words / sizeof *words)], number);
        for (const char *c = event; *c && i < length; c++) to[i++] = (uint8_t)*c;
    }
}

/// One message of RFC 7692, in a window of 512 bytes, which every agreement allows. Returns its length.
static inline size_t deflate_alone(uint8_t *to, const uint8_t *bytes, size_t length) {
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, -9, 8, Z_DEFAULT_STRATEGY)) die("deflateInit2");
    z.next_in = (uint8_t *)bytes, z.avail_in = (unsigned)length, z.next_out = to, z.avail_out = room;
    if (deflate(&z, Z_SYNC_FLUSH) || z.avail_in) die("deflate");
    deflateEnd(&z);
    return room - z.avail_out - 4;  // 7.2.1: without the four bytes of the flush.
}

/// Whether a message that was the first of its compressor inflates to these bytes.
static inline int inflates_to(uint8_t *message, size_t length, const uint8_t *bytes, size_t byte_count) {
    uint8_t *out = malloc(byte_count + 16);
    z_stream z = {0};
    if (inflateInit2(&z, -15)) die("inflateInit2");
    memcpy(message + length, "\0\0\xff\xff", 4);
    z.next_in = message, z.avail_in = (unsigned)length + 4, z.next_out = out, z.avail_out = (unsigned)byte_count + 16;
    const int result = inflate(&z, Z_SYNC_FLUSH);
    const int same = (result == Z_OK || result == Z_STREAM_END) && z.total_out == byte_count && !memcmp(out, bytes, byte_count);
    inflateEnd(&z);
    return free(out), same;
}

static inline int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}
