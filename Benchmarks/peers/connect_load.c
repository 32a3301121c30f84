// The load of connects at full rate, the same for every server: TCP, TLS where asked for, the upgrade, and the client's close, as
// many at a time as told. Usage: connect_load MODE PORT PID AT_ONCE SECONDS → one line of JSON.
// MODE is plain, tls or resumed: by the session of a connection made before.
#include "load.h"

enum step { connecting, securing, asking, answered };
static const double warm_up = 0.15;

struct connect {
    struct link link;
    enum step step;
    uint64_t began;
    size_t got;
    char answer[2048];
};

static int port, poller, resumes;
static enum mode mode;
static SSL_SESSION *session;
static uint64_t made, resumed;
static uint32_t *samples;
enum { most_samples = 1 << 20 };

static int keep(SSL *ssl, SSL_SESSION *new) {
    (void)ssl;
    if (session) return 0;
    return session = new, 1;
}

static void watch(struct connect *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->link.fd, &event)) die("epoll_ctl");
}

static void begin(struct connect *c) {
    static uint32_t number;
    // Ends that wait out their time would use up the ports of one address.
    struct sockaddr_in from = {.sin_family = AF_INET}, to = loopback(port);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number++ % 100);
    const int on = 1;
    c->link = (struct link){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    c->step = connecting, c->got = 0, c->began = nanoseconds(CLOCK_MONOTONIC);
    setsockopt(c->link.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(c->link.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (c->link.fd < 0 || bind(c->link.fd, (struct sockaddr *)&from, sizeof from)) die("bind");
    if (connect(c->link.fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void finish(struct connect *c) {
    if (c->link.ssl) {
        resumed += (uint64_t)SSL_session_reused(c->link.ssl);
        // Else the session would count as broken.
        SSL_set_shutdown(c->link.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->link.ssl);
    }
    close(c->link.fd);
    const uint64_t took = nanoseconds(CLOCK_MONOTONIC) - c->began;
    if (made < most_samples) samples[made] = (uint32_t)(took < UINT32_MAX ? took : UINT32_MAX);
    made++;
}

/// 1 when the upgrade is there.
static int step(struct connect *c) {
    const char *upgrade = upgrade_for(plain);
    if (c->step == connecting) {
        c->step = asking;
        if (mode == tls) {
            c->link.ssl = SSL_new(secure);
            SSL_set_fd(c->link.ssl, c->link.fd);
            if (resumes) SSL_set_session(c->link.ssl, session);
            c->step = securing;
        }
    }
    if (c->step == securing) {
        const int now = SSL_connect(c->link.ssl), error = SSL_get_error(c->link.ssl, now);
        if (now != 1 && error != SSL_ERROR_WANT_READ) die("TLS");
        if (now != 1) return watch(c, EPOLL_CTL_MOD, EPOLLIN), 0;
        c->step = asking;
    }
    if (c->step == asking) {
        if (link_send(&c->link, upgrade, strlen(upgrade)) != (ssize_t)strlen(upgrade)) die("send");
        c->step = answered;
        return watch(c, EPOLL_CTL_MOD, EPOLLIN), 0;
    }
    for (;;) {
        const ssize_t now = link_receive(&c->link, c->answer + c->got, sizeof c->answer - 1 - c->got);
        if (now < 0 && errno == EAGAIN) return 0;
        if (now <= 0) die("no upgrade");
        c->got += (size_t)now, c->answer[c->got] = 0;
        if (is_upgrade(c->answer, plain)) return 1;
        if (!c->link.ssl) return 0;
    }
}

int main(int count, char **arguments) {
    if (count != 6) return fprintf(stderr, "usage: connect_load MODE PORT PID AT_ONCE SECONDS\n"), 2;
    resumes = !strcmp(arguments[1], "resumed");
    mode = mode_named(resumes ? "tls" : arguments[1]);
    port = atoi(arguments[2]);
    poller = epoll_create1(0);
    const clockid_t server_clock = clock_of(arguments[3]);
    const int at_once = atoi(arguments[4]);
    const double seconds = atof(arguments[5]);
    samples = malloc(most_samples * sizeof *samples);
    if (resumes) {
        SSL_CTX_set_session_cache_mode(secure, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(secure, keep);
        connected(port, tls);
        if (!session) return fprintf(stderr, "the server gives no session\n"), 1;
        // OpenSSL strikes a session out of a client's cache once it was used: without a cache it may be used by all.
        SSL_CTX_set_session_cache_mode(secure, SSL_SESS_CACHE_OFF);
    }
    struct connect *all = calloc((size_t)at_once, sizeof *all);
    for (int i = 0; i < at_once; i++) begin(&all[i]);
    uint64_t now = nanoseconds(CLOCK_MONOTONIC), start = 0, cpu = 0, own = 0;
    const uint64_t counted = now + (uint64_t)(warm_up * 1e9);
    struct epoll_event events[events_at_once];
    while (!start || now < start + (uint64_t)(seconds * 1e9)) {
        const int ready = epoll_wait(poller, events, events_at_once, 3000);
        if (ready <= 0) die("nothing for three seconds");
        for (int i = 0; i < ready; i++) {
            if (!step(events[i].data.ptr)) continue;
            finish(events[i].data.ptr);
            begin(events[i].data.ptr);
        }
        now = nanoseconds(CLOCK_MONOTONIC);
        if (start || now < counted) continue;
        start = now, made = resumed = 0, cpu = nanoseconds(server_clock), own = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    }
    if (!made) return fprintf(stderr, "no connect in the counted time\n"), 1;
    const double wall = (double)(now - start), used = (double)(nanoseconds(server_clock) - cpu);
    const double load = (double)(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - own);
    const size_t kept = made < most_samples ? made : most_samples;
    qsort(samples, kept, sizeof *samples, ascending);
    printf("{\"per_second\": %.1f, \"cpu_us\": %.3f, \"server_cpu\": %.4f, \"load_cpu\": %.4f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
        "\"resumed\": %.3f}\n", made / wall * 1e9, used / 1000 / made, used / wall, load / wall, samples[kept / 2] / 1e3,
        samples[kept * 99 / 100] / 1e3, (double)resumed / made);
}
