import CLinux
import Glibc

/// epoll's events for a descriptor (`EPOLLIN` and others).
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

/// A file descriptor in an event loop. Loop-confined; retained by the loop while registered.
open class Channel {
    /// Not a retain cycle: the loop releases a channel when it ends.
    public final let loop: EventLoop
    /// The file descriptor; -1 once closed or passed to another channel.
    public final internal(set) var descriptor: Int32
    /// Index in the loop's table while registered, else ``noSlot``. An optional would take twice the space.
    final var slot = noSlot
    static let noSlot = UInt32.max

    init(loop: EventLoop, descriptor: Int32) {
        self.loop = loop
        self.descriptor = descriptor
    }

    /// Called on the loop when the kernel reports readiness.
    func ready(_ readiness: Readiness) {}

    /// Called when the loop ends: close the descriptor.
    func loopStopped() {}

    // MARK: For the operator, of channels that are client connections

    func count(into census: inout LoopCensus) {}
    func report() -> ConnectionReport? { nil }
    /// The server stops: close once all output is sent.
    func finishSoon() {}
}
