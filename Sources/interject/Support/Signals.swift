import Glibc
import Synchronization

/// SIGINT and SIGTERM as values. They are blocked in every thread and taken by one that waits for them, so that no code
/// runs inside a signal handler.
enum Signals {
    /// Blocks them; call it first, since threads inherit the mask of the one that starts them.
    static func block() {
        var set = ending
        pthread_sigmask(Int32(SIG_BLOCK), &set, nil)
    }

    /// Waits for them, for ever: for the main thread. The first one goes to whoever asked for it by ``first()``; if nobody did, and
    /// for the second one, the process ends at once with the status that shells expect.
    static func wait() -> Never {
        var set = ending
        var number: Int32 = 0
        while true {
            guard sigwait(&set, &number) == 0 else { continue }
            guard let listener = listener.withLock({ $0.take() }) else { _exit(128 + number) }
            listener.resume(returning: number)
        }
    }

    /// The next signal. One caller.
    static func first() async -> Int32 {
        await withCheckedContinuation { continuation in listener.withLock { $0 = continuation } }
    }

    private static let listener = Mutex<CheckedContinuation<Int32, Never>?>(nil)

    private static var ending: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        return set
    }
}

/// Threads for calls that block.
enum Threads {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a detached thread.
    static func start(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Body(run)).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        if code == 0 { pthread_detach(thread) } else { Unmanaged<Body>.fromOpaque(context).release() }
    }
}
