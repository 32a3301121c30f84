// The least that any WebSocket echo can do on this kernel: epoll_wait, one recv, unmask, one send, for each message.
// No ping, close or fragment, no limit or deadline: a measure, not a server. Usage: epoll_echo PORT
#include "websocket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { room = 1 << 17, events_at_once = 512 };

/// What is left of a frame or a request that has not come whole, or of a reply that the kernel did not take.
struct connection {
    int fd, upgraded;
    uint8_t *rest, *unsent;
    size_t rest_length, unsent_length;
};

static uint8_t shared[room];
static int poller;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint8_t *copy(const uint8_t *bytes, size_t length) {
    return length ? memcpy(malloc(length), bytes, length) : NULL;
}

static void drop(struct connection *c) {
    close(c->fd);
    free(c->rest), free(c->unsent), free(c);
}

static void watch(struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

/// Sends, or keeps what the kernel does not take and stops reading until it does.
static int reply(struct connection *c, const uint8_t *bytes, size_t length) {
    const ssize_t sent = send(c->fd, bytes, length, MSG_NOSIGNAL);
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

static int upgrade(struct connection *c, uint8_t *bytes, size_t length) {
    static const char name[] = "Sec-WebSocket-Key: ";
    char accept[accept_length + 1], text[256];
    bytes[length] = 0;
    const char *key = strcasestr((char *)bytes, name);
    if (!key) return 0;
    accept_for(key + sizeof name - 1, accept);
    const int written = snprintf(text, sizeof text, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    c->upgraded = 1;
    return reply(c, (uint8_t *)text, (size_t)written);
}

static void unmask(uint8_t *payload, size_t length, const uint8_t mask[4]) {
    uint64_t wide;
    memcpy(&wide, mask, 4), memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (uint64_t eight; i + 8 <= length; i += 8) {
        memcpy(&eight, payload + i, 8);
        eight ^= wide;
        memcpy(payload + i, &eight, 8);
    }
    for (; i < length; i++) payload[i] ^= mask[i & 3];
}

/// Answers one frame where it lies: the reply's header is four bytes shorter and takes the place before the payload.
/// Returns the bytes of the frame, 0 if it is not whole, -1 to close.
static ssize_t echo(struct connection *c, uint8_t *frame, size_t available) {
    if (available < 2) return 0;
    size_t header = 6, payload = frame[1] & 127;
    if (payload == 126) {
        if (available < 4) return 0;
        header = 8, payload = (size_t)frame[2] << 8 | frame[3];
    } else if (payload == 127) {
        if (available < 10) return 0;
        header = 14, payload = 0;
        for (int i = 2; i < 10; i++) payload = payload << 8 | frame[i];
    }
    if (!(frame[1] & 128) || (frame[0] & 0x7f) > 2 || header + payload > room - 1) return -1;
    if (available < header + payload) return 0;
    const uint8_t opcode = frame[0];
    unmask(frame + header, payload, frame + header - 4);
    uint8_t *start = frame + 4;
    write_header(start, payload, 0);
    start[0] = opcode;
    return reply(c, start, header - 4 + payload) ? (ssize_t)(header + payload) : -1;
}

static int serve(struct connection *c) {
    size_t length = c->rest_length, used = 0;
    if (length) memcpy(shared, c->rest, length);
    const ssize_t got = recv(c->fd, shared + length, room - 1 - length, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    length += (size_t)got;
    if (!c->upgraded) {
        if (length < 4 || memcmp(shared + length - 4, "\r\n\r\n", 4) || !upgrade(c, shared, length)) return 0;
        return 1;
    }
    while (used < length && !c->unsent) {
        const ssize_t frame = echo(c, shared + used, length - used);
        if (frame < 0) return 0;
        if (!frame) break;
        used += (size_t)frame;
    }
    if (c->rest) free(c->rest);
    c->rest = copy(shared + used, c->rest_length = length - used);
    return 1;
}

static void take(int listener) {
    const int on = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "usage: epoll_echo PORT\n"), 2;
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
