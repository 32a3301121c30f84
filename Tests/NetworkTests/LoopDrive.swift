import Glibc
import Logging
import LoopbackServer

@testable import Network

/// A loop that nobody runs: the test takes each turn itself. With sockets whose both ends are in it, all happens in one thread,
/// in an order that depends on nothing but what the test does.
final class LoopDrive {
    let loop: EventLoop

    init() throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        loop = try EventLoop(index: 0, logger: logger)
    }

    /// As every loop ends: without it connections and their timers would hold each other.
    deinit { loop.end() }

    /// Two connected, nonblocking sockets.
    static func pair() throws -> (Int32, Int32) {
        var sockets: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &sockets) == 0 else { throw RawSocket.Failure(call: "socketpair", code: errno) }
        return (sockets[0], sockets[1])
    }

    /// Takes turns until `isDone`, at most so many.
    /// - Returns: the turns that it took; nil when they were not enough.
    func turns(atMost limit: Int = 200_000, until isDone: () -> Bool) -> Int? {
        for count in 0..<limit {
            if isDone() { return count }
            loop.turnOnce()
        }
        return nil
    }
}
