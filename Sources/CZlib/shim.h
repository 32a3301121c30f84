// zlib for raw DEFLATE: its init functions are macros, which Swift cannot call. No logic beyond counting what a stream allocates.
#ifndef INTERJECT_CZLIB_SHIM_H
#define INTERJECT_CZLIB_SHIM_H

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// Never moved or copied once initialized: zlib keeps its address.
typedef struct {
  z_stream z;
  // Bytes that zlib asked for. It gives nothing back before the end.
  size_t allocated_byte_count;
} czlib_stream;

static inline voidpf czlib_allocate(voidpf opaque, uInt items, uInt size) {
  size_t byte_count = (size_t)items * size;
  ((czlib_stream *)opaque)->allocated_byte_count += byte_count;
  return malloc(byte_count);
}
static inline void czlib_free(voidpf opaque, voidpf address) {
  (void)opaque;
  free(address);
}

static inline void czlib_prepare(czlib_stream *stream) {
  memset(stream, 0, sizeof *stream);
  stream->z.zalloc = czlib_allocate;
  stream->z.zfree = czlib_free;
  stream->z.opaque = stream;
}
// Negative window bits stand for raw DEFLATE without a header or checksum.
static inline int czlib_deflate_init(czlib_stream *stream, int level, int window_bits, int memory_level) {
  czlib_prepare(stream);
  return deflateInit2(&stream->z, level, Z_DEFLATED, -window_bits, memory_level, Z_DEFAULT_STRATEGY);
}
static inline int czlib_inflate_init(czlib_stream *stream, int window_bits) {
  czlib_prepare(stream);
  return inflateInit2(&stream->z, -window_bits);
}
// 8 to 15: zlib's own format; 16 more: gzip. Checksums are looked at.
static inline int czlib_inflate_init_wrapped(czlib_stream *stream, int window_bits) {
  czlib_prepare(stream);
  return inflateInit2(&stream->z, window_bits);
}

#endif
