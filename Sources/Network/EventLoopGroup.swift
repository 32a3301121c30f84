import CLinux
import Glibc
public import Logging
import Synchronization

/// The event loops of a process, each on its own thread.
public final class EventLoopGroup: Sendable {
    public let loops: [EventLoop]
    private let threads: Mutex<[pthread_t]>

    /// - Parameter count: number of loops; nil for one per processor.
    public init(count: Int? = nil, logger: Logger) throws(SystemCallError) {
        // A vanished peer is an error of the write, not a signal that ends the process.
        signal(SIGPIPE, SIG_IGN)
        // A file at its size limit is an error of the write, like a full disk.
        signal(SIGXFSZ, SIG_IGN)
        var loops: [EventLoop] = []
        for index in 0..<max(1, count ?? Self.processorCount) {
            loops.append(try EventLoop(index: index, logger: logger))
        }
        self.loops = loops
        threads = Mutex([])
        for loop in loops {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(loop).toOpaque()
            let code = pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    let loop = Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue()
                    loop.run()
                    return nil
                }, context)
            if code != 0 {
                Unmanaged<EventLoop>.fromOpaque(context).release()
                shutDown()
                throw SystemCallError(call: "pthread_create", code: code)
            }
            threads.withLock { $0.append(thread) }
        }
    }

    /// Processors that this process may run on.
    public static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Ends every loop and waits for its thread.
    /// - Precondition: not called on a loop.
    public func shutDown() {
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        // A letter to an ended loop would stay in its mailbox and retain the loop.
        if running.isEmpty { return }
        for loop in loops { loop.stop() }
        for thread in running { pthread_join(thread, nil) }
    }
}
