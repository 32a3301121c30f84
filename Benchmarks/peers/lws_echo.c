// An echo on libwebsockets, one service thread, as its minimal echo example does it: a message waits until the socket is
// writable. Usage: lws_echo PORT
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

enum { room = 1 << 16 };

/// One message in flight is all that the load has.
struct session {
    unsigned char *message;
    size_t length;
};

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    struct session *session = user;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE:
        session->message = realloc(session->message, LWS_PRE + session->length + length);
        memcpy(session->message + LWS_PRE + session->length, in, length);
        session->length += length;
        if (lws_is_final_fragment(wsi)) lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE: {
        const size_t due = session->length;
        session->length = 0;
        return due && lws_write(wsi, session->message + LWS_PRE, due, LWS_WRITE_BINARY) < (int)due ? -1 : 0;
    }
    case LWS_CALLBACK_CLOSED: free(session->message); return 0;
    default: return 0;
    }
}

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "usage: lws_echo PORT\n"), 2;
    const struct lws_protocols protocols[] = {{"echo", echo, sizeof(struct session), room, 0, NULL, 0}, {0}};
    struct lws_context_creation_info info = {.port = atoi(arguments[1]), .iface = "127.0.0.1", .protocols = protocols};
    info.gid = info.uid = (unsigned)-1, info.pt_serv_buf_size = room;
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    while (lws_service(context, 0) >= 0) {}
}
