// An echo on libwebsockets, one service thread, as its minimal echo example does it: a message waits until the socket is
// writable. Usage: lws_echo PORT plain|tls|deflate CERTIFICATE KEY
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
    case LWS_CALLBACK_ESTABLISHED:
        // As the others here; without effect where nothing was agreed on.
        lws_set_extension_option(wsi, "permessage-deflate", "server_max_window_bits", "10");
        lws_set_extension_option(wsi, "permessage-deflate", "mem_level", "3");
        // A message in one frame.
        lws_set_extension_option(wsi, "permessage-deflate", "tx_buf_size", "16");
        lws_set_extension_option(wsi, "permessage-deflate", "rx_buf_size", "16");
        return 0;
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
    if (count != 5) return fprintf(stderr, "usage: lws_echo PORT plain|tls|deflate CERTIFICATE KEY\n"), 2;
    const struct lws_protocols protocols[] = {{"echo", echo, sizeof(struct session), room, 0, NULL, 0}, {0}};
    static const char deflate[] = "permessage-deflate";
    const struct lws_extension extensions[] = {{deflate, lws_extension_callback_pm_deflate, deflate}, {0}};
    struct lws_context_creation_info info = {.port = atoi(arguments[1]), .iface = "127.0.0.1", .protocols = protocols};
    info.gid = info.uid = (unsigned)-1, info.pt_serv_buf_size = room;
    if (!strcmp(arguments[2], "deflate")) info.extensions = extensions;
    if (!strcmp(arguments[2], "tls")) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = arguments[3], info.ssl_private_key_filepath = arguments[4];
    }
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    while (lws_service(context, 0) >= 0) {}
}
