// The floor: the least that a relay can do on this kernel. It hands on what it receives, unread, and knows no protocol.
// least_relay PORT UPSTREAM_PORT
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int peer_of[65536];
static char bytes[65536];

static struct sockaddr_in loopback(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void watch(int epoll, int socket, int peer) {
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
    peer_of[socket] = peer;
}

static void relay(int from) {
    int to = peer_of[from];
    if (to < 0) return;
    ssize_t count = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count > 0) send(to, bytes, count, MSG_NOSIGNAL);
    if (count == 0) {
        peer_of[from] = peer_of[to] = -1;
        close(from);
        close(to);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct sockaddr_in own = loopback(argv[1]), upstream = loopback(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    if (bind(listener, (void *)&own, sizeof own) || listen(listener, 1024)) return 1;
    watch(epoll, listener, -1);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                relay(events[i].data.fd);
                continue;
            }
            int client = accept(listener, 0, 0), server = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(server, (void *)&upstream, sizeof upstream)) return 1;
            watch(epoll, client, server);
            watch(epoll, server, client);
        }
    }
}
