// The load, the same for every server: N connections, one masked message in flight on each, all replies compared.
// Usage: echo_load PORT CONNECTIONS PAYLOAD_BYTES SECONDS PID     → one line of JSON
//        echo_load PORT CONNECTIONS 0 0 PID                       → connects one by one, one line of JSON when all stand;
//                                                                   keeps them until its input ends
// PID is the server's: its processor time (user, system, all threads) is read at both ends of the counted time.
#include "websocket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { room = 1 << 17, events_at_once = 512, most_samples = 1 << 23 };
static const double warm_up = 0.25;

struct connection {
    int fd;
    size_t received, sent;
    uint64_t asked;
};

static uint8_t request[room], expected[room], shared[room];
static size_t request_length, expected_length;
static uint32_t *samples;
static int poller;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now)) die("clock_gettime");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int connected(int port) {
    static const char upgrade[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char answer[2048] = {0};
    size_t got = 0;
    const int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (send(fd, upgrade, sizeof upgrade - 1, 0) < 0) die("send");
    while (!strstr(answer, "\r\n\r\n")) {
        const ssize_t now = recv(fd, answer + got, sizeof answer - 1 - got, 0);
        if (now <= 0) die("no upgrade");
        got += (size_t)now;
    }
    if (!strstr(answer, " 101 ") || !strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) {
        fprintf(stderr, "no upgrade: %s", answer);
        exit(1);
    }
    return fd;
}

static void prepare(size_t payload) {
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const size_t header = write_header(request, payload, 1);
    memcpy(request + header, mask, 4);
    expected_length = write_header(expected, payload, 0);
    for (size_t i = 0; i < payload; i++) {
        const uint8_t byte = (uint8_t)(i * 31 + 7);
        expected[expected_length + i] = byte, request[header + 4 + i] = byte ^ mask[i & 3];
    }
    expected_length += payload, request_length = header + 4 + payload;
}

static void watch(struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event)) die("epoll_ctl");
}

static void ask(struct connection *c) {
    const ssize_t now = send(c->fd, request + c->sent, request_length - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now < 0 && errno != EAGAIN) die("send");
    const size_t before = c->sent;
    c->sent += now < 0 ? 0 : (size_t)now;
    if (c->sent < request_length) return watch(c, EPOLLIN | EPOLLOUT);
    if (before) watch(c, EPOLLIN);
}

/// 1 if the reply is whole.
static int heard(struct connection *c) {
    const ssize_t now = recv(c->fd, shared, room, MSG_DONTWAIT);
    if (now < 0 && errno == EAGAIN) return 0;
    if (now <= 0 || c->received + (size_t)now > expected_length || memcmp(shared, expected + c->received, (size_t)now)) {
        fprintf(stderr, "closed or a wrong reply\n");
        exit(1);
    }
    c->received += (size_t)now;
    return c->received == expected_length;
}

static int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void run(struct connection *all, int connections, double seconds, clockid_t server_clock) {
    struct epoll_event events[events_at_once];
    uint64_t now = nanoseconds(CLOCK_MONOTONIC), begin = 0, cpu = 0, own = 0;
    const uint64_t counted = now + (uint64_t)(warm_up * 1e9);
    size_t messages = 0;
    for (int i = 0; i < connections; i++) all[i].asked = now, all[i].sent = 0, ask(&all[i]);
    while (!begin || now < begin + (uint64_t)(seconds * 1e9)) {
        const int ready = epoll_wait(poller, events, events_at_once, 1000);
        if (ready <= 0) die("no reply for a second");
        now = nanoseconds(CLOCK_MONOTONIC);
        if (!begin && now > counted)
            begin = now, cpu = nanoseconds(server_clock), own = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) ask(c);
            if (!(events[i].events & EPOLLIN) || !heard(c)) continue;
            if (begin && messages < most_samples) samples[messages] = (uint32_t)(now - c->asked);
            messages += begin != 0;
            c->received = c->sent = 0, c->asked = now;
            ask(c);
        }
    }
    const double wall = (double)(now - begin), used = (double)(nanoseconds(server_clock) - cpu);
    const double load = (double)(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - own);
    const size_t kept = messages < most_samples ? messages : most_samples;
    qsort(samples, kept, sizeof *samples, ascending);
    printf("{\"messages\": %zu, \"per_second\": %.1f, \"cpu_us\": %.4f, \"server_cpu\": %.4f, \"load_cpu\": %.4f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n", messages, messages / wall * 1e9,
        used / 1000 / messages, used / wall, load / wall, samples[kept / 2] / 1e3, samples[kept * 99 / 100] / 1e3,
        samples[kept - 1] / 1e3);
}

int main(int count, char **arguments) {
    if (count != 6) return fprintf(stderr, "usage: echo_load PORT CONNECTIONS PAYLOAD_BYTES SECONDS PID\n"), 2;
    const int connections = atoi(arguments[2]);
    const double seconds = atof(arguments[4]);
    const clockid_t server_clock = (clockid_t)(~(uint32_t)atoi(arguments[5]) << 3 | 2);  // as clock_getcpuclockid(3)
    struct connection *all = calloc((size_t)connections, sizeof *all);
    samples = malloc(most_samples * sizeof *samples);
    prepare((size_t)atoi(arguments[3]));
    poller = epoll_create1(0);
    const uint64_t start = nanoseconds(CLOCK_MONOTONIC), cpu = nanoseconds(server_clock);
    for (int i = 0; i < connections; i++) {
        all[i].fd = connected(atoi(arguments[1]));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event)) die("epoll_ctl");
    }
    if (seconds > 0) return run(all, connections, seconds, server_clock), 0;
    const double wall = (double)(nanoseconds(CLOCK_MONOTONIC) - start), used = (double)(nanoseconds(server_clock) - cpu);
    printf("{\"connects_per_second\": %.1f, \"cpu_us\": %.2f}\n", connections / wall * 1e9, used / 1000 / connections);
    fflush(stdout);
    return getchar(), 0;
}
