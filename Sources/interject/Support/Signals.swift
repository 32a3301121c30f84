import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP as values. The signals are blocked in all threads and received by one that waits for them, so that no
/// code runs within a signal handler.
enum Signals {
    /// Blocks the signals. Must be called first, since threads inherit the mask of their creator.
    static func block() {
        var set = ending
        pthread_sigmask(Int32(SIG_BLOCK), &set, nil)
    }

    /// The consumer of the next signal.
    private enum Taker {
        /// None: the signal ends the process.
        case none
        /// A consumer has been announced by ``expect()``.
        case expected
        case asking(CheckedContinuation<Int32, Never>)
        /// A signal that arrived before ``first()`` was called.
        case arrived(Int32)
    }

    private static let taker = Mutex(Taker.none)

    /// Waits for signals forever, on the main thread. The first one is delivered to ``first()``; without a caller, and on the
    /// second one, the process exits immediately with the status that shells expect.
    static func wait() -> Never {
        var set = ending
        var number: Int32 = 0
        while true {
            guard sigwait(&set, &number) == 0 else { continue }
            if number == SIGHUP, let reload = reload.withLock({ $0 }) {
                reload()
                continue
            }
            let signal = number
            let isTaken = taker.withLock { taker in
                switch taker {
                case .none, .arrived: return false
                case .expected: taker = .arrived(signal)
                case .asking(let continuation):
                    taker = .none
                    continuation.resume(returning: signal)
                }
                return true
            }
            if !isTaken { _exit(128 + signal) }
        }
    }

    /// Stores the next signal for ``first()`` instead of ending the process.
    static func expect() { taker.withLock { $0 = .expected } }

    /// Waits for the next signal. At most one caller.
    static func first() async -> Int32 {
        await withCheckedContinuation { continuation in
            taker.withLock { taker in
                if case .arrived(let number) = taker {
                    taker = .none
                    continuation.resume(returning: number)
                } else {
                    taker = .asking(continuation)
                }
            }
        }
    }

    /// Whether this process has a controlling terminal.
    static var hasTerminal: Bool {
        let descriptor = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        if descriptor >= 0 { close(descriptor) }
        return descriptor >= 0
    }

    /// Makes SIGHUP reload files instead of ending the process; `action` runs on the main thread.
    static func onHangup(_ action: @escaping @Sendable () -> Void) { reload.withLock { $0 = action } }

    private static let reload = Mutex<(@Sendable () -> Void)?>(nil)

    private static var ending: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGHUP)
        return set
    }
}

/// Threads for blocking calls.
enum Threads {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a detached thread.
    /// - Returns: false if the system cannot create one; `run` is not called then.
    @discardableResult
    static func start(_ run: @escaping @Sendable () -> Void) -> Bool {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Body(run)).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        guard code == 0 else {
            Unmanaged<Body>.fromOpaque(context).release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
