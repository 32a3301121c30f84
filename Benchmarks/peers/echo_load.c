// The load of the echo, the same for every server: N connections, one masked message in flight on each, all replies compared
// (deflated ones: the first is inflated and compared, of the others the length is followed, since it depends on the compressor).
// Usage: echo_load MODE PORT PID CONNECTIONS SECONDS PAYLOAD_BYTES…  → a line of JSON for each payload, on the same connections
//        echo_load MODE PORT PID CONNECTIONS 0                       → connects one by one, one line of JSON when all stand;
//                                                                      keeps them until its input ends
// MODE is plain, tls or deflate. PID is the server's: its processor time is read at both ends of the counted time.
#include "load.h"

enum { most_samples = 1 << 22, largest_server_header = 10 };
static const double warm_up = 0.15;

struct connection {
    struct link link;
    size_t received, due, sent;
    uint64_t asked;
    uint8_t head[largest_server_header];
};

static uint8_t request[room], expected[room], payload_bytes[room], shared[room];
static size_t request_length, expected_length, payload_length, reply_bytes;
static uint32_t *samples;
static int poller;
static enum mode mode;

static void prepare(size_t payload) {
    static uint8_t small[room];
    payload_length = payload;
    if (mode == deflated) event_text(payload_bytes, payload);
    else
        for (size_t i = 0; i < payload; i++) payload_bytes[i] = (uint8_t)(i * 31 + 7);
    size_t carried = payload;
    if (mode == deflated) carried = deflate_alone(small, payload_bytes, payload);
    const size_t header = write_header(request, carried, 1);
    if (mode == deflated) request[0] |= 0x40;
    masked(request + header, mode == deflated ? small : payload_bytes, carried);
    request_length = header + 4 + carried;
    expected_length = write_header(expected, payload, 0);
    memcpy(expected + expected_length, payload_bytes, payload);
    expected_length += payload;
}

static void watch(struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->link.fd, &event)) die("epoll_ctl");
}

static void ask(struct connection *c) {
    const size_t before = c->sent;
    while (c->sent < request_length) {
        const ssize_t now = link_send(&c->link, request + c->sent, request_length - c->sent);
        if (now < 0 && errno == EAGAIN) return watch(c, EPOLLIN | EPOLLOUT);
        if (now < 0) die("send");
        c->sent += (size_t)now;
    }
    if (before) watch(c, EPOLLIN);
}

static void wrong(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/// Follows the header of a deflated reply as it comes.
static void note_head(struct connection *c, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length && c->received + i < largest_server_header; i++) c->head[c->received + i] = bytes[i];
    const size_t have = c->received + length, marked = c->head[1];
    const size_t header = have < 2 ? SIZE_MAX : marked == 127 ? 10 : marked == 126 ? 4 : 2;
    if (have < header) return;
    size_t carried = marked < 126 ? marked : 0;
    for (size_t i = 2; i < header; i++) carried = carried << 8 | c->head[i];
    if ((c->head[0] & 0xbf) != 0x82) wrong("a wrong reply");
    c->due = header + carried;
}

/// 1 if the reply is whole.
static int heard(struct connection *c) {
    for (;;) {
        const ssize_t now = link_receive(&c->link, shared, room);
        if (now < 0 && errno == EAGAIN) return 0;
        if (now <= 0) wrong("closed");
        if (mode == deflated) {
            if (!c->due) note_head(c, shared, (size_t)now);
            if (c->due && c->received + (size_t)now > c->due) wrong("a longer reply");
        } else if (c->received + (size_t)now > expected_length || memcmp(shared, expected + c->received, (size_t)now)) {
            wrong("a wrong reply");
        }
        c->received += (size_t)now;
        if (c->received == c->due) return 1;
        // The kernel tells when more comes, but not of what TLS holds.
        if (!c->link.ssl) return 0;
    }
}

/// One echo on a connection of its own, inflated and compared.
static void check(int port) {
    static uint8_t whole[room];
    struct connection c = {.link = connected(port, mode)};
    fcntl(c.link.fd, F_SETFL, 0);
    for (size_t sent = 0; sent < request_length;) {
        const ssize_t now = link_send(&c.link, request + sent, request_length - sent);
        if (now < 0) die("send");
        sent += (size_t)now;
    }
    while (!c.due || c.received < c.due) {
        const ssize_t now = link_receive(&c.link, whole + c.received, room - 4 - c.received);
        if (now <= 0) wrong("closed");
        if (!c.due) note_head(&c, whole + c.received, (size_t)now);
        c.received += (size_t)now;
    }
    const size_t header = c.head[1] == 127 ? 10 : c.head[1] == 126 ? 4 : 2, carried = c.due - header;
    const int same = c.head[0] & 0x40 ? inflates_to(whole + header, carried, payload_bytes, payload_length)
        : carried == payload_length && !memcmp(whole + header, payload_bytes, carried);
    if (!same) wrong("a reply that inflates to something else");
    close(c.link.fd);
}

static void run(struct connection *all, int connections, double seconds, clockid_t server_clock) {
    struct epoll_event events[events_at_once];
    uint64_t now = nanoseconds(CLOCK_MONOTONIC), begin = 0, cpu = 0, own = 0;
    const uint64_t counted = now + (uint64_t)(warm_up * 1e9);
    size_t messages = 0, in_flight = (size_t)connections;
    int ends = 0;
    double wall = 0, used = 0, load = 0;
    for (int i = 0; i < connections; i++) {
        all[i].asked = now, all[i].sent = all[i].received = 0, all[i].due = mode == deflated ? 0 : expected_length;
        ask(&all[i]);
    }
    // Every reply that is due is waited for at the end: the next payload begins on quiet connections.
    while (in_flight) {
        const int ready = epoll_wait(poller, events, events_at_once, 3000);
        if (ready <= 0) wrong("no reply for three seconds");
        now = nanoseconds(CLOCK_MONOTONIC);
        if (!begin && now > counted)
            begin = now, cpu = nanoseconds(server_clock), own = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
        if (begin && !ends && now >= begin + (uint64_t)(seconds * 1e9)) {
            ends = 1, wall = (double)(now - begin), used = (double)(nanoseconds(server_clock) - cpu);
            load = (double)(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - own);
        }
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) ask(c);
            if (!(events[i].events & EPOLLIN) || !heard(c)) continue;
            if (begin && !ends) {
                if (messages < most_samples) samples[messages] = (uint32_t)(now - c->asked);
                messages++, reply_bytes = c->due;
            }
            if (ends) {
                in_flight--;
                continue;
            }
            c->received = c->sent = 0, c->asked = now;
            if (mode == deflated) c->due = 0;
            ask(c);
        }
    }
    if (!messages) wrong("no reply in the counted time");
    const size_t kept = messages < most_samples ? messages : most_samples;
    qsort(samples, kept, sizeof *samples, ascending);
    printf("{\"messages\": %zu, \"per_second\": %.1f, \"cpu_us\": %.4f, \"server_cpu\": %.4f, \"load_cpu\": %.4f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, \"reply_bytes\": %zu}\n", messages, messages / wall * 1e9,
        used / 1000 / messages, used / wall, load / wall, samples[kept / 2] / 1e3, samples[kept * 99 / 100] / 1e3,
        samples[kept - 1] / 1e3, reply_bytes);
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count < 6) return fprintf(stderr, "usage: echo_load MODE PORT PID CONNECTIONS SECONDS PAYLOAD_BYTES…\n"), 2;
    mode = mode_named(arguments[1]);
    const int port = atoi(arguments[2]), connections = atoi(arguments[4]);
    const clockid_t server_clock = clock_of(arguments[3]);
    const double seconds = atof(arguments[5]);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    samples = malloc(most_samples * sizeof *samples);
    poller = epoll_create1(0);
    const uint64_t start = nanoseconds(CLOCK_MONOTONIC), cpu = nanoseconds(server_clock);
    // Together, where their making is not what is measured.
    for (int i = 0; seconds > 0 && i < connections; i++) all[i].link = upgrading(port, mode);
    for (int i = 0; i < connections; i++) {
        if (seconds > 0) upgraded(&all[i].link, mode);
        else all[i].link = connected(port, mode);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, all[i].link.fd, &event)) die("epoll_ctl");
    }
    for (int i = 6; i < count; i++) {
        prepare((size_t)atoi(arguments[i]));
        if (mode == deflated) check(port);
        run(all, connections, seconds, server_clock);
    }
    if (seconds > 0) return 0;
    const double wall = (double)(nanoseconds(CLOCK_MONOTONIC) - start), used = (double)(nanoseconds(server_clock) - cpu);
    printf("{\"connects_per_second\": %.1f, \"cpu_us\": %.2f}\n", connections / wall * 1e9, used / 1000 / connections);
    fflush(stdout);
    return getchar(), 0;
}
