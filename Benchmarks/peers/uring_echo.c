// The trial of io_uring: the epoll loop's echo with multishot accept and receive into a ring of provided buffers, and all sends
// of a turn submitted with the wait, one system call a turn. Raw system calls: <linux/io_uring.h> alone. A measure, not a server.
// Usage: uring_echo PORT plain
#include "answers.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// A buffer takes the largest message of the benchmark, so that it can be answered where it lies. The ring hands them out in turn:
// 2,048 of them are never in the cache, and made an echo of 16 KiB cost a tenth more; 32 run out with 500 connections.
enum { submissions = 4096, completions = 1 << 14, buffers = 128, buffer_bytes = 17 << 10, group = 0, most_files = 1 << 15 };
enum kind { taken, received, sent_from_ring, sent_from_heap };

/// What is left of a frame that has not come whole.
struct connection {
    int upgraded;
    uint8_t *rest;
    size_t rest_length;
};

static struct connection connections[most_files];
static uint8_t *heap_sends[most_files];
static struct io_uring_sqe *entries;
static struct io_uring_buf_ring *ring_buffers;
static uint8_t *pool;
static unsigned *sq_head, *sq_tail, *cq_head, *cq_tail, sq_mask, cq_mask, prepared;
static struct io_uring_cqe *results;
static int ring, listener;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *mapped(size_t length, int fd, off_t offset) {
    const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, offset);
    if (at == MAP_FAILED) die("mmap");
    return at;
}

static void enter(unsigned wait_for) {
    const unsigned due = prepared;
    prepared = 0;
    __atomic_store_n(sq_tail, *sq_tail + due, __ATOMIC_RELEASE);
    if (syscall(__NR_io_uring_enter, ring, due, wait_for, IORING_ENTER_GETEVENTS, NULL, 0) < 0 && errno != EINTR)
        die("io_uring_enter");
}

static struct io_uring_sqe *entry(int operation, int fd, enum kind kind, unsigned buffer) {
    if (prepared == submissions) enter(0);
    struct io_uring_sqe *e = &entries[(*sq_tail + prepared++) & sq_mask];
    *e = (struct io_uring_sqe){.opcode = (uint8_t)operation, .fd = fd};
    e->user_data = (uint64_t)kind << 56 | (uint64_t)buffer << 32 | (unsigned)fd;
    return e;
}

static void take(void) { entry(IORING_OP_ACCEPT, listener, taken, 0)->ioprio = IORING_ACCEPT_MULTISHOT; }

static void receive(int fd) {
    struct io_uring_sqe *e = entry(IORING_OP_RECV, fd, received, 0);
    e->ioprio = IORING_RECV_MULTISHOT, e->flags = IOSQE_BUFFER_SELECT, e->buf_group = group;
}

static void reply(int fd, const uint8_t *bytes, size_t length, enum kind kind, unsigned buffer) {
    struct io_uring_sqe *e = entry(IORING_OP_SEND, fd, kind, buffer);
    e->addr = (uintptr_t)bytes, e->len = (unsigned)length, e->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

static void give_back(unsigned buffer) {
    struct io_uring_buf *place = &ring_buffers->bufs[ring_buffers->tail & (buffers - 1)];
    place->addr = (uintptr_t)(pool + (size_t)buffer * buffer_bytes), place->len = buffer_bytes - 1, place->bid = (uint16_t)buffer;
    __atomic_store_n(&ring_buffers->tail, ring_buffers->tail + 1, __ATOMIC_RELEASE);
}

static void drop(int fd) {
    close(fd);
    free(connections[fd].rest);
    connections[fd] = (struct connection){0};
}

/// Answers from a block of its own; one such send at a time on a connection, as the load has one message in flight.
static void reply_from_heap(int fd, const uint8_t *bytes, size_t length) {
    free(heap_sends[fd]);
    heap_sends[fd] = memcpy(malloc(length), bytes, length);
    reply(fd, heap_sends[fd], length, sent_from_heap, 0);
}

/// 1 if the buffer is in use until its answer has left; -1 to close.
static int serve(int fd, uint8_t *bytes, size_t length, unsigned buffer) {
    struct connection *c = &connections[fd];
    if (!c->upgraded) {
        char text[256];
        const size_t due = upgrade_answer(bytes, length, text, sizeof text);
        c->upgraded = 1;
        if (due) reply_from_heap(fd, (uint8_t *)text, due);
        return due ? 0 : -1;
    }
    if (!c->rest) {
        const ssize_t frame = turn_around(bytes, length);
        if (frame < 0) return -1;
        if ((size_t)frame == length) return reply(fd, bytes + 4, length - 4, sent_from_ring, buffer), 1;
    }
    c->rest = realloc(c->rest, c->rest_length + length);
    memcpy(c->rest + c->rest_length, bytes, length);
    c->rest_length += length;
    const ssize_t frame = turn_around(c->rest, c->rest_length);
    if (frame < 0 || (frame > 0 && (size_t)frame != c->rest_length)) return -1;
    if (!frame) return 0;
    reply_from_heap(fd, c->rest + 4, (size_t)frame - 4);
    free(c->rest);
    c->rest = NULL, c->rest_length = 0;
    return 0;
}

static void complete(const struct io_uring_cqe *result) {
    const enum kind kind = result->user_data >> 56;
    const int fd = (int)(unsigned)result->user_data, on = 1;
    const unsigned buffer = result->flags >> IORING_CQE_BUFFER_SHIFT;
    switch (kind) {
    case taken:
        if (!(result->flags & IORING_CQE_F_MORE)) take();
        if (result->res < 0) return;
        if (result->res >= most_files) return (void)close(result->res);
        setsockopt(result->res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return receive(result->res);
    case received:
        if (result->res == -ENOBUFS) return receive(fd);
        if (result->res <= 0) return drop(fd);
        const int held = serve(fd, pool + (size_t)buffer * buffer_bytes, (size_t)result->res, buffer);
        if (held != 1) give_back(buffer);
        // The receive that is still armed sees the end and drops the connection.
        if (held < 0) shutdown(fd, SHUT_RDWR);
        if (!(result->flags & IORING_CQE_F_MORE)) receive(fd);
        return;
    case sent_from_ring: return give_back(result->user_data >> 32 & 0xffff);
    case sent_from_heap: return;
    }
}

static void set_up(void) {
    struct io_uring_params p = {.cq_entries = completions};
    p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    if ((ring = (int)syscall(__NR_io_uring_setup, submissions, &p)) < 0) die("io_uring_setup");
    const size_t sq_bytes = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    const size_t cq_bytes = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    uint8_t *at = mapped(sq_bytes > cq_bytes ? sq_bytes : cq_bytes, ring, IORING_OFF_SQ_RING);
    sq_head = (void *)(at + p.sq_off.head), sq_tail = (void *)(at + p.sq_off.tail);
    cq_head = (void *)(at + p.cq_off.head), cq_tail = (void *)(at + p.cq_off.tail);
    sq_mask = p.sq_entries - 1, cq_mask = p.cq_entries - 1, results = (void *)(at + p.cq_off.cqes);
    for (unsigned i = 0; i < p.sq_entries; i++) ((unsigned *)(void *)(at + p.sq_off.array))[i] = i;
    entries = mapped(p.sq_entries * sizeof *entries, ring, IORING_OFF_SQES);
    ring_buffers = mapped(buffers * sizeof(struct io_uring_buf), -1, 0);
    pool = mapped((size_t)buffers * buffer_bytes, -1, 0);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)ring_buffers, .ring_entries = buffers, .bgid = group};
    if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &reg, 1)) die("io_uring_register");
    for (unsigned i = 0; i < buffers; i++) give_back(i);
}

int main(int count, char **arguments) {
    if (count != 3) return fprintf(stderr, "usage: uring_echo PORT plain\n"), 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) die("listen");
    set_up();
    take();
    for (;;) {
        enter(1);
        unsigned head = *cq_head;
        for (const unsigned tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE); head != tail; head++)
            complete(&results[head & cq_mask]);
        __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    }
}
