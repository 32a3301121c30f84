// Preloaded into a server: one thread more, which does nothing. With it the process shares its table of open files, and each call
// that names a descriptor counts a reference to the file.
#include <pthread.h>
#include <unistd.h>

static void *sleep_on(void *nothing) {
    for (;;) pause();
    return nothing;
}

__attribute__((constructor)) static void begin(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, sleep_on, NULL);
}
