/// Counters of one event loop: plain integers of one thread, without locks or atomics.
///
/// Byte counts are in the connections and added here when one ends, so a write costs one addition in cached memory;
/// ``EventLoop/census()`` adds those of open connections.
public struct LoopCounters: Sendable {
    /// Accepted connections.
    public var connections: UInt64 = 0
    /// Connections upgraded to WebSocket.
    public var webSockets: UInt64 = 0
    /// Event streams started.
    public var eventStreams: UInt64 = 0
    /// Bytes of ended connections.
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0
    public var webSocketMessagesReceived: UInt64 = 0
    public var webSocketMessagesSent: UInt64 = 0
    /// Server-sent events, including heartbeats.
    public var eventsSent: UInt64 = 0
    /// Times that a connection's output began to wait for its peer.
    public var stalls: UInt64 = 0
    /// Times that a log reader was paused because of its connection's buffered output.
    public var readerPauses: UInt64 = 0
    /// WebSockets closed because nothing was received for two ping intervals.
    public var pingTimeouts: UInt64 = 0
    /// Close codes by number, those of libraries and applications as 3000 and 4000, since peers make them up; 1005 and 1006 among
    /// the received ones mean a close without a code, and none at all.
    public var closeCodesSent: [UInt16: UInt64] = [:]
    public var closeCodesReceived: [UInt16: UInt64] = [:]
    /// Duration of loop iterations; a ready socket waits at most this long.
    public var turns = Histogram(.short)
    /// Most CPU time of one iteration, in nanoseconds; see ``LoopHold``.
    public var longestHoldNanoseconds = 0
    /// From a WebSocket ping to its pong.
    public var roundTrips = Histogram(.short)

    public init() {}

    /// The label that a close code is counted under.
    static func label(_ code: UInt16) -> UInt16 { code < 3000 ? code : code < 4000 ? 3000 : 4000 }
}

/// The open connections of a loop at one moment.
public struct LoopCensus: Sendable {
    /// Connections that wait for a request, or send an answer other than a stream.
    public var http = 0
    /// Connections that send an event stream.
    public var eventStreams = 0
    public var webSockets = 0
    /// All connections except those that only wait for the peer's close.
    public var unfinished = 0
    /// Unsent output, in bytes.
    public var queuedBytes = 0
    /// Bytes received on open connections.
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0

    public init() {}
}
