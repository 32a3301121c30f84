#define _GNU_SOURCE
#include "CLinux.h"

#include <limits.h>
#include <malloc.h>
#include <sys/stat.h>
#include <time.h>

_Thread_local void *clinux_current_loop = 0;

size_t clinux_used_heap(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void clinux_trim_heap(void) { malloc_trim(0); }

void clinux_set_heap_thresholds(int map_bytes, int trim_bytes) {
  mallopt(M_MMAP_THRESHOLD, map_bytes);
  mallopt(M_TRIM_THRESHOLD, trim_bytes);
}

long long clinux_clock_nanoseconds(int clock) {
  struct timespec time = {0, 0};
  clock_gettime(clock, &time);
  long long nanoseconds;
  if (__builtin_mul_overflow((long long)time.tv_sec, 1000000000LL, &nanoseconds) ||
      __builtin_add_overflow(nanoseconds, (long long)time.tv_nsec, &nanoseconds))
    return time.tv_sec < 0 ? LLONG_MIN : LLONG_MAX;
  return nanoseconds;
}

int clinux_identify(const char *path, unsigned long long *inode, long long *birth_nanoseconds) {
  struct statx status;
  if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &status) != 0) return -1;
  *inode = status.stx_ino;
  *birth_nanoseconds = 0;
  if (status.stx_mask & STATX_BTIME)
    *birth_nanoseconds = (long long)((unsigned long long)status.stx_btime.tv_sec * 1000000000ULL + status.stx_btime.tv_nsec);
  return 0;
}
