import Bytes

/// One connection as an operator sees it: who, since when, how much; never what was said.
public struct ConnectionReport: Sendable {
    /// What it speaks now.
    public enum Kind: String, Sendable {
        case http
        case eventStream = "sse"
        case webSocket = "websocket"
    }

    /// Loop and number: `0-17`.
    public var id: String
    /// IP address of the client, whom a trusted proxy may stand for; nil for a Unix socket.
    public var peer: String?
    public var kind: Kind
    public var age: Duration
    /// Since the last byte from the peer.
    public var silence: Duration
    public var bytesReceived: UInt64
    public var bytesSent: UInt64
    /// Output that waits for the peer.
    public var queuedBytes: Int
    /// Of the last WebSocket ping.
    public var roundTrip: Duration?
    /// Whether it is being closed.
    public var isClosing: Bool
    /// What a face counts of its own.
    public var counts: [(name: StaticString, value: Int)] = []
}

extension EventLoop {
    /// Counts what is open. Loop only.
    public func census() -> LoopCensus {
        var census = LoopCensus()
        forEachChannel { $0.count(into: &census) }
        return census
    }

    /// Describes the open connections, at most so many. Loop only.
    public func connectionReports(limit: Int) -> [ConnectionReport] {
        var reports: [ConnectionReport] = []
        forEachChannel { channel in
            if reports.count < limit, let report = channel.report() { reports.append(report) }
        }
        return reports
    }

    /// Closes the connections between two requests, and lets the others end with the response that they are at. Loop only.
    public func finishConnections() {
        forEachChannel { $0.finishSoon() }
    }

    /// Bytes of output that wait for their peers. Loop only. Only a blocked connection has some between turns.
    public var queuedOutputBytes: Int {
        blockedConnections.values.reduce(0) { $0 + $1.output.count }
    }
}
