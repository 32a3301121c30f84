import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP as values. They are blocked in every thread and taken by one that waits for them, so that no code
/// runs inside a signal handler.
enum Signals {
    /// Blocks them; call it first, since threads inherit the mask of the one that starts them.
    static func block() {
        var set = ending
        pthread_sigmask(Int32(SIG_BLOCK), &set, nil)
    }

    /// The consumer of the next signal.
    private enum Taker {
        /// Nobody: it ends the process.
        case nobody
        /// A consumer has been announced by ``expect()``.
        case expected
        case asking(CheckedContinuation<Int32, Never>)
        /// It came before it was asked for.
        case arrived(Int32)
    }

    private static let taker = Mutex(Taker.nobody)

    /// Waits for signals forever, on the main thread. The first one is delivered to ``first()``; without a caller, and for the
    /// second one, the process exits at once with the status that shells expect.
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
                case .nobody, .arrived: return false
                case .expected: taker = .arrived(signal)
                case .asking(let continuation):
                    taker = .nobody
                    continuation.resume(returning: signal)
                }
                return true
            }
            if !isTaken { _exit(128 + signal) }
        }
    }

    /// From now on the next signal is kept for ``first()`` and does not end the process.
    static func expect() { taker.withLock { $0 = .expected } }

    /// The next signal. One caller.
    static func first() async -> Int32 {
        await withCheckedContinuation { continuation in
            taker.withLock { taker in
                if case .arrived(let number) = taker {
                    taker = .nobody
                    continuation.resume(returning: number)
                } else {
                    taker = .asking(continuation)
                }
            }
        }
    }

    /// Whether a terminal controls this process.
    static var hasTerminal: Bool {
        let descriptor = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        if descriptor >= 0 { close(descriptor) }
        return descriptor >= 0
    }

    /// Makes SIGHUP mean "read the files again", in place of the end; `action` runs on the main thread.
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

/// Threads for calls that block.
enum Threads {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a detached thread.
    /// - Returns: false if the system has none to give; nothing is run then.
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
