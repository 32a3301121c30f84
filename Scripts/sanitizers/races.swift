// What the thread sanitizer must find, and must not, with runtime_order.c preloaded. sanitize.sh runs each before the tests:
//   mutex            two threads that contend for one Mutex: no race
//   continuation     tasks resumed by other threads, some before they wait: no race
//   beside-mutex     a Mutex, and a variable that both threads change without it: a race
//   two-mutexes      a variable that each thread changes under a Mutex of its own: a race
//   after-resume     a variable that a thread still changes after it has resumed the task, which changes it too: a race
import Glibc
import Synchronization

final class Shared: @unchecked Sendable {
    let count = Mutex(0)
    let other = Mutex(0)
    var unguarded = 0
}

let shared = Shared()
let kind = CommandLine.arguments.last ?? ""

/// Runs `body` on a thread of its own.
func start(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { box in
            if let box { Unmanaged<Box>.fromOpaque(box).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    return thread
}

func contend() {
    let threads = [true, false].map { isFirst in
        start {
            for _ in 0..<100_000 {
                shared.count.withLock { $0 += 1 }
                switch kind {
                case "beside-mutex": shared.unguarded += 1
                case "two-mutexes" where isFirst: shared.other.withLock { _ in shared.unguarded += 1 }
                case "two-mutexes": shared.count.withLock { _ in shared.unguarded += 1 }
                default: break
                }
            }
        }
    }
    for thread in threads { pthread_join(thread, nil) }
}

func resume(before isBefore: Bool) async {
    let made = await withCheckedContinuation { (continuation: CheckedContinuation<Shared, Never>) in
        pthread_detach(
            start {
                let made = Shared()
                continuation.resume(returning: made)
                if kind == "after-resume" { made.unguarded += 1 }
            })
        if isBefore { usleep(3000) }
    }
    made.unguarded += 1
}

switch kind {
case "mutex", "beside-mutex", "two-mutexes": contend()
case "continuation", "after-resume": for round in 0..<40 { await resume(before: round % 2 == 0) }
default: exit(2)
}
