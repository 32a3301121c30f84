// Tells the thread sanitizer of two orders that Swift's runtime keeps out of its sight (Swift 6.3). Preloaded by sanitize.sh.
//
// Nothing is suppressed: a race beside a mutex, under two of them, or after a continuation is still found; races.swift shows it
// before the tests are run.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

// Those of the sanitizer's runtime, in the program; absent in programs without it.
extern __attribute__((weak)) void __tsan_acquire(void *address);
extern __attribute__((weak)) void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *mutex

// Synchronization.Mutex. Its fast path, an atomic exchange, is compiled with our code and so is seen. Contended, it waits in
// libswiftSynchronization.so, which is not instrumented: the lock comes from the kernel, and what two threads did in turn is
// taken for a race. Here stand the library's three slow paths once more, each saying what it did.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);

SWIFT void lock_slow(uint32_t thread, SELF) {
    SWIFT void (*next)(uint32_t, SELF) = dlsym(RTLD_NEXT, LOCK);
    next(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT bool try_lock_slow(SELF) {
    SWIFT bool (*next)(SELF) = dlsym(RTLD_NEXT, TRY_LOCK);
    bool is_taken = next(mutex);
    if (is_taken && __tsan_acquire) __tsan_acquire(mutex);
    return is_taken;
}

SWIFT void unlock_slow(SELF) {
    SWIFT void (*next)(SELF) = dlsym(RTLD_NEXT, UNLOCK);
    if (__tsan_release) __tsan_release(mutex);
    next(mutex);
}

// Continuations. Whoever resumes one says so to the sanitizer, by the task's address; a task that was suspended says that it heard
// it. One whose continuation is resumed before it is suspended goes on at once and says nothing. What it does next is to free the
// frame of the call that it waited in: here it hears it.
extern __attribute__((weak)) SWIFT void *swift_task_getCurrent(void);

SWIFT void swift_task_dealloc(void *frame) {
    static SWIFT void (*next)(void *);
    SWIFT void (*dealloc)(void *) = __atomic_load_n(&next, __ATOMIC_ACQUIRE);
    if (!dealloc) {
        dealloc = dlsym(RTLD_NEXT, "swift_task_dealloc");
        __atomic_store_n(&next, dealloc, __ATOMIC_RELEASE);
    }
    dealloc(frame);
    void *task = __tsan_acquire && swift_task_getCurrent ? swift_task_getCurrent() : 0;
    if (task) __tsan_acquire(task);
}
