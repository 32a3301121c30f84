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
    /// The loop lets go of a channel when it ends, so the two do not keep each other alive.
    public final let loop: EventLoop
    /// The file descriptor; -1 once it is closed or another channel has it.
    public final internal(set) var descriptor: Int32
    /// Place in the loop's table while registered, else ``noSlot``. An optional would take twice the space.
    final var slot = noSlot
    static let noSlot = UInt32.max

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
