/// What one event loop has done, counted where it happens: plain numbers of one thread, without locks or atomics.
///
/// Bytes stand in the connections themselves and come here when one ends, so that a write costs one addition in memory that is
/// at hand anyway; ``EventLoop/census()`` adds those of the open ones.
public struct LoopCounters: Sendable {
    /// Connections taken.
    public var connections: UInt64 = 0
    /// Connections that became WebSockets.
    public var webSockets: UInt64 = 0
    /// Responses that began to stream server-sent events.
    public var eventStreams: UInt64 = 0
    /// Bytes of connections that have ended.
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0
    public var webSocketMessagesReceived: UInt64 = 0
    public var webSocketMessagesSent: UInt64 = 0
    /// Server-sent events, heartbeats too.
    public var eventsSent: UInt64 = 0
    /// Times that a connection's output had to wait for its peer.
    public var stalls: UInt64 = 0
    /// Times that a reader of a log was paused because its connection's output waits.
    public var readerPauses: UInt64 = 0
    /// WebSockets dropped because nothing came from the peer for two ping intervals.
    public var pingTimeouts: UInt64 = 0
    /// Close codes by number, those of libraries and applications as 3000 and 4000, since peers make them up; 1005 and 1006 among the received ones mean a close without a code, and none at all.
    public var closeCodesSent: [UInt16: UInt64] = [:]
    public var closeCodesReceived: [UInt16: UInt64] = [:]
    /// How long turns took: what is ready waits as long before its own turn comes.
    public var turns = Histogram(.short)
    /// Most processor time that one iteration has taken, in nanoseconds; see ``LoopHold``.
    public var longestHoldNanoseconds = 0
    /// From a WebSocket ping to its pong.
    public var roundTrips = Histogram(.short)

    public init() {}

    /// What a close code is counted as.
    static func label(_ code: UInt16) -> UInt16 { code < 3000 ? code : code < 4000 ? 3000 : 4000 }
}

/// What is open on a loop at one moment.
public struct LoopCensus: Sendable {
    /// Connections that wait for a request or answer one whole.
    public var http = 0
    /// Those that answer by server-sent events.
    public var eventStreams = 0
    public var webSockets = 0
    /// Connections to which something is still due: all but those that only wait for the peer's close.
    public var unfinished = 0
    /// Bytes of output that wait for their peers.
    public var queuedBytes = 0
    /// Of the open connections.
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0

    public init() {}
}
