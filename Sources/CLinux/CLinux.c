#include "CLinux.h"

#include <malloc.h>

_Thread_local void *clinux_current_loop = 0;

size_t clinux_free_heap(void) {
  struct mallinfo2 info = mallinfo2();
  return info.fordblks;
}

void clinux_trim_heap(void) { malloc_trim(0); }

void clinux_set_heap_thresholds(int map_bytes, int trim_bytes) {
  mallopt(M_MMAP_THRESHOLD, map_bytes);
  mallopt(M_TRIM_THRESHOLD, trim_bytes);
}
