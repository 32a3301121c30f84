// What both ends of the echo benchmark share: frame headers, and the handshake's accept key.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { largest_header = 14, accept_length = 28 };

/// Writes the header of an unfragmented binary frame; returns its length. The mask's four bytes are not written.
static inline size_t write_header(uint8_t *to, size_t payload, int masked) {
    const uint8_t mask_bit = masked ? 0x80 : 0;
    to[0] = 0x82;
    if (payload < 126) return to[1] = mask_bit | (uint8_t)payload, 2;
    const size_t bytes = payload < 65536 ? 2 : 8;
    to[1] = mask_bit | (bytes == 2 ? 126 : 127);
    for (size_t i = 0; i < bytes; i++) to[2 + i] = (uint8_t)((uint64_t)payload >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

static inline uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }

/// SHA-1 (FIPS 180-4) of fewer than 120 bytes, which is enough for a key and the protocol's GUID.
static inline void sha1_short(const char *text, size_t length, uint8_t digest[20]) {
    uint8_t padded[128] = {0};
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    memcpy(padded, text, length);
    padded[length] = 0x80;
    const size_t total = length < 56 ? 64 : 128;
    padded[total - 2] = (uint8_t)(length * 8 >> 8), padded[total - 1] = (uint8_t)(length * 8);
    for (const uint8_t *block = padded; block < padded + total; block += 64) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
        for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            const uint32_t f = i < 20 ? ((b & c) | (~b & d)) + 0x5A827999 : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC : (b ^ c ^ d) + 0xCA62C1D6;
            const uint32_t next = rotate(a, 5) + f + e + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

/// Sec-WebSocket-Accept for a key of 24 characters (RFC 6455, 4.2.2).
static inline void accept_for(const char *key, char accept[accept_length + 1]) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[64];
    uint8_t digest[21] = {0};
    snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1_short(text, 60, digest);
    for (int i = 0; i < 7; i++) {
        const uint32_t three = (uint32_t)digest[3 * i] << 16 | digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int j = 0; j < 4; j++) accept[4 * i + j] = alphabet[three >> (18 - 6 * j) & 63];
    }
    accept[27] = '=', accept[28] = 0;
}
