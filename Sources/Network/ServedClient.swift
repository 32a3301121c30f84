import Bytes

/// What a server's connection keeps of its client through all protocols: in whose count it is, and how an operator knows it.
struct ServedClient {
    let server: HTTPServer
    /// Among the connections of its loop.
    let number: UInt64
    /// Who connected, to us or to a proxy that says so; nil for a Unix socket.
    let peer: IPAddress?
    /// Who asked last: the peer, or whom a trusted proxy stands for.
    let address: IPAddress?

    /// Loop and number: `0-17`, in logs and reports.
    func connectionID(on loop: EventLoop) -> String { "\(loop.index)-\(number)" }

    /// The connection is gone.
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
