import Bytes

/// A connection as shown to operators: client, age and counts; never content.
public struct ConnectionReport: Sendable {
    /// The current protocol.
    public enum Kind: String, Sendable {
        case http
        case eventStream = "sse"
        case webSocket = "websocket"
    }

    /// Loop and number: `0-17`.
    public var id: String
    /// IP address of the client, possibly forwarded by a trusted proxy; nil for a Unix socket.
    public var peer: String?
    public var kind: Kind
    public var age: Duration
    /// Time since the last byte from the peer.
    public var silence: Duration
    public var bytesReceived: UInt64
    public var bytesSent: UInt64
    /// Unsent output, in bytes.
    public var queuedBytes: Int
    /// Round trip of the last WebSocket ping.
    public var roundTrip: Duration?
    /// Whether it is closing.
    public var isClosing: Bool
    /// Counts added by the face.
    public var counts: [(name: StaticString, value: Int)] = []
}

extension EventLoop {
    /// Counts the open connections. Loop only.
    public func census() -> LoopCensus {
        var census = LoopCensus()
        forEachChannel { $0.count(into: &census) }
        return census
    }

    /// Describes the open connections, at most `limit`. Loop only.
    public func connectionReports(limit: Int) -> [ConnectionReport] {
        var reports: [ConnectionReport] = []
        forEachChannel { channel in
            if reports.count < limit, let report = channel.report() { reports.append(report) }
        }
        return reports
    }

    /// Closes the connections between two requests, and the others after their current response. Loop only.
    public func finishConnections() {
        forEachChannel { $0.finishSoon() }
    }

    /// Unsent output of all connections, in bytes. Loop only. Between iterations, only blocked connections have any.
    public var queuedOutputBytes: Int {
        blockedConnections.values.reduce(0) { $0 + $1.output.count }
    }
}
