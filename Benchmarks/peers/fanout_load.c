// The load of the fan-out, the same for every server: one sends, N others get. The next message leaves when all have the last;
// every byte is compared; a copy that the sender gets is read and not counted. A delivery's time is from the sender's send to the
// subscriber's read. Usage: fanout_load PORT PID SUBSCRIBERS SECONDS PAYLOAD_BYTES → one line of JSON
#include "load.h"

enum { most_samples = 1 << 22 };
static const double warm_up = 0.15;

struct subscriber {
    struct link link;
    size_t received;
};

static uint8_t request[room], expected[room], payload_bytes[room], shared[room];
static uint32_t *samples;

static void wrong(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/// 1 if the message is whole.
static int heard(struct subscriber *s, size_t expected_length) {
    const ssize_t now = link_receive(&s->link, shared, room);
    if (now < 0 && errno == EAGAIN) return 0;
    if (now <= 0 || s->received + (size_t)now > expected_length || memcmp(shared, expected + s->received, (size_t)now))
        wrong("closed, or a wrong message");
    s->received += (size_t)now;
    if (s->received < expected_length) return 0;
    return s->received = 0, 1;
}

int main(int count, char **arguments) {
    if (count != 6) return fprintf(stderr, "usage: fanout_load PORT PID SUBSCRIBERS SECONDS PAYLOAD_BYTES\n"), 2;
    const int port = atoi(arguments[1]), subscribers = atoi(arguments[3]), poller = epoll_create1(0);
    const clockid_t server_clock = clock_of(arguments[2]);
    const double seconds = atof(arguments[4]);
    const size_t payload = (size_t)atoi(arguments[5]);
    struct subscriber *all = calloc((size_t)subscribers + 1, sizeof *all), *sender = &all[subscribers];
    samples = malloc(most_samples * sizeof *samples);
    for (int i = 0; i <= subscribers; i++) all[i].link = upgrading(port, plain);
    for (int i = 0; i <= subscribers; i++) {
        upgraded(&all[i].link, plain);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, all[i].link.fd, &event)) die("epoll_ctl");
    }
    event_text(payload_bytes, payload);
    const size_t header = write_header(request, payload, 1), expected_header = write_header(expected, payload, 0);
    masked(request + header, payload_bytes, payload);
    memcpy(expected + expected_header, payload_bytes, payload);
    const size_t request_length = header + 4 + payload, expected_length = expected_header + payload;
    struct epoll_event events[events_at_once];
    uint64_t now = nanoseconds(CLOCK_MONOTONIC), begin = 0, cpu = 0, own = 0;
    const uint64_t counted = now + (uint64_t)(warm_up * 1e9);
    size_t deliveries = 0, messages = 0;
    while (!begin || now < begin + (uint64_t)(seconds * 1e9)) {
        const uint64_t asked = nanoseconds(CLOCK_MONOTONIC);
        if (!begin && asked > counted)
            begin = asked, cpu = nanoseconds(server_clock), own = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
        if (link_send(&sender->link, request, request_length) != (ssize_t)request_length) die("send");
        for (int due = subscribers; due > 0;) {
            const int ready = epoll_wait(poller, events, events_at_once, 3000);
            if (ready <= 0) wrong("no message for three seconds");
            for (int i = 0; i < ready; i++) {
                if (!heard(events[i].data.ptr, expected_length) || events[i].data.ptr == sender) continue;
                due--;
                now = nanoseconds(CLOCK_MONOTONIC);
                if (!begin) continue;
                if (deliveries < most_samples) samples[deliveries] = (uint32_t)(now - asked);
                deliveries++;
            }
        }
        messages += begin != 0;
    }
    const double wall = (double)(now - begin), used = (double)(nanoseconds(server_clock) - cpu);
    const double load = (double)(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - own);
    const size_t kept = deliveries < most_samples ? deliveries : most_samples;
    qsort(samples, kept, sizeof *samples, ascending);
    printf("{\"messages\": %zu, \"per_second\": %.1f, \"cpu_us\": %.4f, \"server_cpu\": %.4f, \"load_cpu\": %.4f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n", messages, deliveries / wall * 1e9, used / 1000 / deliveries,
        used / wall, load / wall, samples[kept / 2] / 1e3, samples[kept * 99 / 100] / 1e3, samples[kept - 1] / 1e3);
}
