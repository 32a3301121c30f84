// An echo on the uWebSockets that socketify carries, by its C interface: no Python on the path of a message.
// socketify's build of it runs on libuv. Usage: uws_echo PORT plain|tls|deflate|fan-out CERTIFICATE KEY
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The declarations needed, as in socketify's native.py.
struct us_socket_context_options_t {
    const char *key_file_name, *cert_file_name, *passphrase, *dh_params_file_name, *ca_file_name, *ssl_ciphers;
    int ssl_prefer_low_memory_usage;
};
typedef struct uws_app_s uws_app_t;
typedef struct uws_websocket_s uws_websocket_t;
typedef enum { CONTINUATION, TEXT, BINARY } uws_opcode_t;
typedef struct {
    int port;
    const char *host;
    int options;
} uws_app_listen_config_t;
typedef struct {
    int compression;
    unsigned int maxPayloadLength;
    unsigned short idleTimeout;
    unsigned int maxBackpressure;
    bool closeOnBackpressureLimit, resetIdleTimeoutOnSend, sendPingsAutomatically;
    unsigned short maxLifetime;
    void *upgrade;
    void (*open)(uws_websocket_t *, void *user_data);
    void (*message)(uws_websocket_t *, const char *message, size_t length, uws_opcode_t opcode, void *user_data);
    void *drain, *ping, *pong, *close, *subscription;
} uws_socket_behavior_t;
uws_app_t *uws_create_app(int ssl, struct us_socket_context_options_t options);
void uws_app_run(int ssl, uws_app_t *app);
void uws_app_listen_with_config(int ssl, uws_app_t *app, uws_app_listen_config_t config,
    void (*handler)(void *socket, uws_app_listen_config_t config, void *user_data), void *user_data);
void uws_ws(int ssl, uws_app_t *app, const char *pattern, uws_socket_behavior_t behavior, void *user_data);
int uws_ws_send(int ssl, uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode);
int uws_ws_send_with_options(int ssl, uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode,
    bool compress, bool fin);
bool uws_ws_subscribe(int ssl, uws_websocket_t *ws, const char *topic, size_t length);
bool uws_ws_publish_with_options(int ssl, uws_websocket_t *ws, const char *topic, size_t topic_length, const char *message,
    size_t message_length, uws_opcode_t opcode, bool compress);

/// A compressor of its own for each connection, window bits 10 and memory level 3 as the others here; to inflate, one for all.
enum { compressor_8kb = 10 << 4 | 3, shared_decompressor = 1 << 8 };
static const char topic[] = "all";
static int secure;

static void echo(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode, void *user_data) {
    (void)user_data;
    uws_ws_send(secure, ws, message, length, opcode);
}

static void echo_deflated(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode, void *user_data) {
    (void)user_data;
    uws_ws_send_with_options(0, ws, message, length, opcode, true, true);
}

static void join(uws_websocket_t *ws, void *user_data) {
    (void)user_data;
    uws_ws_subscribe(0, ws, topic, sizeof topic - 1);
}

static void publish(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode, void *user_data) {
    (void)user_data;
    uws_ws_publish_with_options(0, ws, topic, sizeof topic - 1, message, length, opcode, false);
}

static void listening(void *socket, uws_app_listen_config_t config, void *user_data) {
    (void)config, (void)user_data;
    if (!socket) perror("listen"), exit(1);
}

int main(int count, char **arguments) {
    if (count != 5) return fprintf(stderr, "usage: uws_echo PORT plain|tls|deflate|fan-out CERTIFICATE KEY\n"), 2;
    struct us_socket_context_options_t options = {0};
    uws_socket_behavior_t behavior = {.maxPayloadLength = 1 << 20, .idleTimeout = 600, .maxBackpressure = 1 << 20};
    behavior.message = echo;
    if (!strcmp(arguments[2], "tls"))
        secure = 1, options.cert_file_name = arguments[3], options.key_file_name = arguments[4];
    if (!strcmp(arguments[2], "deflate"))
        behavior.compression = compressor_8kb | shared_decompressor, behavior.message = echo_deflated;
    if (!strcmp(arguments[2], "fan-out")) behavior.open = join, behavior.message = publish;
    uws_app_t *app = uws_create_app(secure, options);
    if (!app) return fprintf(stderr, "no app: is this library without TLS?\n"), 1;
    uws_ws(secure, app, "/*", behavior, NULL);
    uws_app_listen_config_t config = {.port = atoi(arguments[1]), .host = "127.0.0.1"};
    uws_app_listen_with_config(secure, app, config, listening, NULL);
    uws_app_run(secure, app);
}
