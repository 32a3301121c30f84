// What the raw servers do with bytes: answer a handshake, turn a client's frame into the server's where it lies.
#pragma once
#include "websocket.h"
#include <sys/types.h>

enum { room = 1 << 17 };

/// The answer to an upgrade; 0 if the request is not whole or not one. Ends the bytes with a zero.
static inline size_t upgrade_answer(uint8_t *bytes, size_t length, char *text, size_t text_room) {
    static const char name[] = "Sec-WebSocket-Key: ";
    char accept[accept_length + 1];
    if (length < 4 || memcmp(bytes + length - 4, "\r\n\r\n", 4)) return 0;
    bytes[length] = 0;
    const char *key = strcasestr((char *)bytes, name);
    if (!key) return 0;
    accept_for(key + sizeof name - 1, accept);
    return (size_t)snprintf(text, text_room, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
}

static inline void unmask(uint8_t *payload, size_t length, const uint8_t mask[4]) {
    uint64_t wide;
    memcpy(&wide, mask, 4), memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (uint64_t eight; i + 8 <= length; i += 8) {
        memcpy(&eight, payload + i, 8);
        eight ^= wide;
        memcpy(payload + i, &eight, 8);
    }
    for (; i < length; i++) payload[i] ^= mask[i & 3];
}

/// Unmasks one frame; its answer begins four bytes later, since that header is so much shorter, and ends where it ends.
/// Returns the bytes of the frame, 0 if it is not whole, -1 to close.
static inline ssize_t turn_around(uint8_t *frame, size_t available) {
    if (available < 2) return 0;
    size_t header = 6, payload = frame[1] & 127;
    if (payload == 126) {
        if (available < 4) return 0;
        header = 8, payload = (size_t)frame[2] << 8 | frame[3];
    } else if (payload == 127) {
        if (available < 10) return 0;
        header = 14, payload = 0;
        for (int i = 2; i < 10; i++) payload = payload << 8 | frame[i];
    }
    if (!(frame[1] & 128) || (frame[0] & 0x7f) > 2 || payload > room || header + payload > room - 1) return -1;
    if (available < header + payload) return 0;
    const uint8_t opcode = frame[0];
    unmask(frame + header, payload, frame + header - 4);
    write_header(frame + 4, payload, 0);
    frame[4] = opcode;
    return (ssize_t)(header + payload);
}
