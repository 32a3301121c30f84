// The least that any WebSocket echo can do on this kernel: epoll_wait, one recv, unmask, one send, for each message.
// No ping, close or fragment, no limit or deadline: a measure, not a server. Usage:
// epoll_echo PORT plain|tls|fan-out CERTIFICATE KEY
#include "answers.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { events_at_once = 512, most_connections = 1 << 15 };

/// What is left of a frame or a request that has not come whole, or of a reply that the kernel did not take.
struct connection {
    int fd, upgraded, place;
    SSL *ssl;
    uint8_t *rest, *unsent;
    size_t rest_length, unsent_length;
};

static uint8_t shared[room];
static int poller, fans_out, connection_count;
static struct connection *connections[most_connections];
static SSL_CTX *secure;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint8_t *copy(const uint8_t *bytes, size_t length) {
    return length ? memcpy(malloc(length), bytes, length) : NULL;
}

static void drop(struct connection *c) {
    SSL_free(c->ssl);
    close(c->fd);
    connections[c->place] = connections[--connection_count];
    connections[c->place]->place = c->place;
    free(c->rest), free(c->unsent), free(c);
}

static void watch(struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static ssize_t put(struct connection *c, const uint8_t *bytes, size_t length) {
    if (!c->ssl) return send(c->fd, bytes, length, MSG_NOSIGNAL);
    const int now = SSL_write(c->ssl, bytes, (int)length);
    if (now > 0) return now;
    return errno = SSL_get_error(c->ssl, now) == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO, -1;
}

/// Makes the TLS, too, as its bytes come.
static ssize_t get(struct connection *c, uint8_t *bytes, size_t length) {
    if (!c->ssl) return recv(c->fd, bytes, length, 0);
    const int now = SSL_read(c->ssl, bytes, (int)length);
    if (now > 0) return now;
    return errno = SSL_get_error(c->ssl, now) == SSL_ERROR_WANT_READ ? EAGAIN : EIO, -1;
}

/// Sends, or keeps what the kernel does not take and stops reading until it does.
static int reply(struct connection *c, const uint8_t *bytes, size_t length) {
    const ssize_t sent = put(c, bytes, length);
    if (sent == (ssize_t)length) return 1;
    if (sent < 0 && errno != EAGAIN) return 0;
    const size_t taken = sent < 0 ? 0 : (size_t)sent;
    c->unsent = copy(bytes + taken, c->unsent_length = length - taken);
    watch(c, EPOLLOUT);
    return 1;
}

static int flush(struct connection *c) {
    uint8_t *bytes = c->unsent;
    c->unsent = NULL;
    watch(c, EPOLLIN);
    const int open = reply(c, bytes, c->unsent_length);
    free(bytes);
    return open;
}

/// With fan-out all others get the frame, by a write each.
static int answer(struct connection *c, const uint8_t *bytes, size_t length) {
    if (!fans_out) return reply(c, bytes, length);
    for (int i = 0; i < connection_count; i++)
        // Who keeps us waiting misses it: the load has one message under way at a time.
        if (connections[i] != c && connections[i]->upgraded && !connections[i]->unsent) reply(connections[i], bytes, length);
    return 1;
}

static int serve(struct connection *c) {
    size_t length = c->rest_length, used = 0;
    if (length) memcpy(shared, c->rest, length);
    const ssize_t got = get(c, shared + length, room - 1 - length);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    length += (size_t)got;
    if (!c->upgraded) {
        char text[256];
        const size_t due = upgrade_answer(shared, length, text, sizeof text);
        c->upgraded = 1;
        return due && reply(c, (uint8_t *)text, due);
    }
    while (used < length && !c->unsent) {
        const ssize_t frame = turn_around(shared + used, length - used);
        if (!frame) break;
        if (frame < 0 || !answer(c, shared + used + 4, (size_t)frame - 4)) return 0;
        used += (size_t)frame;
    }
    if (c->rest) free(c->rest);
    c->rest = copy(shared + used, c->rest_length = length - used);
    // The kernel does not tell of what OpenSSL holds.
    return c->ssl && !c->unsent && SSL_has_pending(c->ssl) ? serve(c) : 1;
}

static void take(int listener) {
    const int on = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (connection_count == most_connections) die("too many connections");
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd, c->place = connection_count;
        if (secure && (!(c->ssl = SSL_new(secure)) || !SSL_set_fd(c->ssl, fd))) die("TLS");
        if (secure) SSL_set_accept_state(c->ssl);
        connections[connection_count++] = c;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void use(const char *certificate, const char *key) {
    secure = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(secure, certificate) != 1) die(certificate);
    if (SSL_CTX_use_PrivateKey_file(secure, key, SSL_FILETYPE_PEM) != 1) die(key);
    SSL_CTX_set_mode(secure, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(secure, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(secure, 1);
}

int main(int count, char **arguments) {
    if (count != 5) return fprintf(stderr, "usage: epoll_echo PORT plain|tls|fan-out CERTIFICATE KEY\n"), 2;
    // OpenSSL writes without MSG_NOSIGNAL.
    signal(SIGPIPE, SIG_IGN);
    fans_out = !strcmp(arguments[2], "fan-out");
    if (!strcmp(arguments[2], "tls")) use(arguments[3], arguments[4]);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) die("listen");
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[events_at_once];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        const int ready = epoll_wait(poller, events, events_at_once, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                take(listener);
            else if (!(c->unsent ? flush(c) : serve(c)))
                drop(c);
        }
    }
}
