// An echo on the uWebSockets that socketify carries, by its C interface: no Python on the path of a message.
// socketify's build of it runs on libuv. Usage: uws_echo PORT
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

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
    void *upgrade, *open;
    void (*message)(uws_websocket_t *, const char *message, size_t length, uws_opcode_t opcode, void *user_data);
    void *drain, *ping, *pong, *close, *subscription;
} uws_socket_behavior_t;
uws_app_t *uws_create_app(int ssl, struct us_socket_context_options_t options);
void uws_app_run(int ssl, uws_app_t *app);
void uws_app_listen_with_config(int ssl, uws_app_t *app, uws_app_listen_config_t config,
    void (*handler)(void *socket, uws_app_listen_config_t config, void *user_data), void *user_data);
void uws_ws(int ssl, uws_app_t *app, const char *pattern, uws_socket_behavior_t behavior, void *user_data);
int uws_ws_send(int ssl, uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode);

static void echo(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode, void *user_data) {
    (void)user_data;
    uws_ws_send(0, ws, message, length, opcode);
}

static void listening(void *socket, uws_app_listen_config_t config, void *user_data) {
    (void)config, (void)user_data;
    if (!socket) perror("listen"), exit(1);
}

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "usage: uws_echo PORT\n"), 2;
    uws_app_t *app = uws_create_app(0, (struct us_socket_context_options_t){0});
    uws_socket_behavior_t behavior = {.maxPayloadLength = 1 << 20, .idleTimeout = 600, .maxBackpressure = 1 << 20};
    behavior.message = echo;
    uws_ws(0, app, "/*", behavior, NULL);
    uws_app_listen_config_t config = {.port = atoi(arguments[1]), .host = "127.0.0.1"};
    uws_app_listen_with_config(0, app, config, listening, NULL);
    uws_app_run(0, app);
}
