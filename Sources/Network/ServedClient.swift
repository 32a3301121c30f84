import Bytes

/// The client of a server's connection across protocols: for accounting and for operators.
struct ServedClient {
    let server: HTTPServer
    /// Number of the connection in its loop.
    let number: UInt64
    /// Address of the client, possibly from a PROXY header; nil for a Unix socket.
    let peer: IPAddress?
    /// The client of the last request: the peer, or the client forwarded by a trusted proxy.
    let address: IPAddress?

    /// Loop and number: `0-17`, in logs and reports.
    func connectionID(on loop: EventLoop) -> String { "\(loop.index)-\(number)" }

    /// Call when the connection has ended.
    func left(_ connection: Connection) {
        server.gate.release(peer)
        let counters = connection.loop.counters
        counters.pointee.bytesReceived &+= connection.bytesReceived
        counters.pointee.bytesSent &+= connection.bytesSent
    }

    func report(
        of connection: Connection, _ kind: ConnectionReport.Kind, opened: Instant, lastReceived: Instant
    ) -> ConnectionReport {
        let now = connection.loop.now
        return ConnectionReport(
            id: connectionID(on: connection.loop), peer: address?.description, kind: kind, age: now - opened,
            silence: now - lastReceived, bytesReceived: connection.bytesReceived, bytesSent: connection.bytesSent,
            queuedBytes: connection.waitingOutputBytes, isClosing: !connection.isOpen)
    }
}

extension LoopCensus {
    mutating func count(_ connection: Connection, _ kind: ConnectionReport.Kind) {
        switch kind {
        case .http: http += 1
        case .eventStream: eventStreams += 1
        case .webSocket: webSockets += 1
        }
        if !connection.isLingering { unfinished += 1 }
        queuedBytes += connection.waitingOutputBytes
        bytesReceived &+= connection.bytesReceived
        bytesSent &+= connection.bytesSent
    }
}
