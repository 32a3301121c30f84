import CLinux
import Glibc

/// What epoll says or is asked about a descriptor (`EPOLLIN` and its kin).
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    public static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    public static let peerClosed = Readiness(rawValue: EPOLLRDHUP.rawValue)
    public static let hangup = Readiness(rawValue: EPOLLHUP.rawValue)
    public static let failed = Readiness(rawValue: EPOLLERR.rawValue)
    static let exclusive = Readiness(rawValue: EPOLLEXCLUSIVE.rawValue)
}

/// A descriptor in an event loop. Loop-confined; the loop keeps it alive while it is registered.
open class Channel {
    public unowned let loop: EventLoop
    /// The file descriptor.
    public internal(set) var descriptor: Int32
    /// Place in the loop's table while registered.
    var slot: UInt32?

    init(loop: EventLoop, descriptor: Int32) {
        self.loop = loop
        self.descriptor = descriptor
    }

    /// Called on the loop when the kernel reports readiness.
    func ready(_ readiness: Readiness) {}

    /// The loop ends: close what is open.
    func loopStopped() {}

    // MARK: What an operator wants to know, of channels that are connections of clients

    func count(into census: inout LoopCensus) {}
    func report() -> ConnectionReport? { nil }
    /// The server stops: close when nothing is due any more.
    func finishSoon() {}
}
