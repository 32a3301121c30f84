import Glibc
import Logging
import LoopbackServer
import Network
import Synchronization
import Testing

/// Tests that block on sockets: one after another, on a thread of their own, so that they hold up no other test.
@Suite(.serialized, BlockingThread()) enum Loopback {
    @Suite struct ConnectionTests {}
    @Suite struct ListenerTests {}
    @Suite struct HTTPConnectionTests {}
    @Suite struct WebSocketConnectionTests {}
    @Suite struct TLSTests {}
    @Suite struct FaultTests {}
}

/// Loops for the time of one test.
final class Loops: Sendable {
    let group: EventLoopGroup
    var loop: EventLoop { group.loops[0] }

    init(_ count: Int = 1) throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        group = try EventLoopGroup(count: count, logger: logger)
    }

    deinit { group.shutDown() }

    /// Runs `body` on the first loop and waits for what it returns.
    func run<Result: Sendable>(_ body: @escaping @Sendable (EventLoop) -> Result) async -> Result {
        let loop = loop
        return await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: body(loop)) }
        }
    }
}

/// What happened, in order, told from any thread.
final class Journal: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
    func count(of line: String) -> Int { all.count { $0 == line } }

    /// Waits for a line, at most five seconds.
    func has(_ line: String) async -> Bool { await hasLine { $0 == line } }

    func hasLine(_ isWanted: @escaping @Sendable (String) -> Bool) async -> Bool {
        await eventually { self.all.contains(where: isWanted) }
    }
}

/// Waits until it is so, at most a minute: sanitizers and busy machines are slow.
func eventually(_ isSo: @Sendable () -> Bool) async -> Bool {
    for _ in 0..<12_000 {
        if isSo() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}

/// A path for a Unix socket that nobody else uses.
func temporaryPath() -> String {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    return folder + "/interject-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
}

/// Threads of their own, joined before it returns.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Work {
        let index: Int
        let body: @Sendable (Int) -> Void
        init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.index = index
            self.body = body
        }
    }
    var threads: [pthread_t] = []
    for index in 0..<count {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                if let context {
                    let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
                    work.body(work.index)
                }
                return nil
            }, Unmanaged.passRetained(Work(index, body)).toOpaque())
        threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
}
