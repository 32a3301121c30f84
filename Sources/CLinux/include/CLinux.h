// What Swift's Glibc module leaves out of Linux: epoll, eventfd, accept4, socket options, getrandom, statx and the allocator's figures. No logic.
#ifndef CLINUX_H
#define CLINUX_H

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

// Swift has no thread-local storage; the loop of the running thread is asked for on every executor check.
extern _Thread_local void *clinux_current_loop;
static inline void *clinux_get_current_loop(void) { return clinux_current_loop; }
static inline void clinux_set_current_loop(void *loop) { clinux_current_loop = loop; }

// A GNU extension, and the Glibc module is built without them.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
static inline int clinux_accept(int listener, struct sockaddr_storage *peer) {
  socklen_t length = sizeof *peer;
  return accept4(listener, (struct sockaddr *)peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
// glibc's recv and send are points where a thread may be cancelled, which costs each call two atomic operations in a process of
// several threads. Nobody cancels a loop's thread.
extern long syscall(long, ...);
static inline ssize_t clinux_recv(int descriptor, void *bytes, size_t count) {
  return syscall(SYS_recvfrom, descriptor, bytes, count, 0, NULL, NULL);
}
static inline ssize_t clinux_send(int descriptor, const void *bytes, size_t count) {
  return syscall(SYS_sendto, descriptor, bytes, count, MSG_NOSIGNAL, NULL, 0);
}
// Variadic, which Swift cannot call. The second: bytes that the kernel holds of what was sent, as the peer has not acknowledged
// them; -1 where it does not say.
static inline int clinux_duplicate(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }
static inline int clinux_unsent(int descriptor) {
  int count = 0;
  return ioctl(descriptor, SIOCOUTQ, &count) == 0 ? count : -1;
}

// Random bytes of the kernel's, up to 256 at once: Swift's own generator makes a system call for each eight.
static inline long clinux_random(void *bytes, size_t count) { return syscall(SYS_getrandom, bytes, count, 0); }

// Which module C's `timespec` belongs to hangs on what is compiled together, so Swift never sees one here. Saturates in the year 2262.
long long clinux_clock_nanoseconds(int clock);

// A file's inode and, where its file system knows it (else 0), the time at which it was made; -1 where there is none.
int clinux_identify(const char *path, unsigned long long *inode, long long *birth_nanoseconds);

// Bytes that the allocator has given out.
size_t clinux_used_heap(void);
void clinux_trim_heap(void);
void clinux_set_heap_thresholds(int map_bytes, int trim_bytes);

#endif
