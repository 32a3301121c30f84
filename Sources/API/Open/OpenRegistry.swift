import Access
import Bytes
import HTTP
import Network
import WebSocket

/// Everything that clients have open on one loop: unanswered calls, streams and WebSockets. Loop-confined.
///
/// Ends what a key has opened when the key expires or is revoked, closes connections when the server stops, and counts.
package final class OpenRegistry {
    private enum Entry {
        case call(Call)
        case stream(EventStream, Call)
        case socket(FaceSocket)
    }

    /// Number of open calls, streams and WebSockets.
    package struct Counts: Sendable, Equatable {
        /// Calls that have not been answered.
        package var calls = 0
        /// Responses that are streams.
        package var streams = 0
        /// WebSockets.
        package var sockets = 0

        static func + (left: Counts, right: Counts) -> Counts {
            Counts(calls: left.calls + right.calls, streams: left.streams + right.streams, sockets: left.sockets + right.sockets)
        }
    }

    private let loop: EventLoop
    private let authentication: Authentication
    /// By key, so that each key is looked up once however much it has opened.
    private var entries: [String: [ObjectIdentifier: Entry]] = [:]
    private var keyIDs: [ObjectIdentifier: String] = [:]
    private var isScheduled = false

    /// How often the keys are checked. A revoked key is known within half a second: ``KeyRing/pollInterval``.
    private static let interval = Duration.seconds(1)

    init(loop: EventLoop, authentication: Authentication) {
        self.loop = loop
        self.authentication = authentication
    }

    // MARK: Registration

    /// Registers an authenticated call, until ``remove(_:)`` is called with its exchange.
    func insert(_ call: Call) { insert(.call(call), ObjectIdentifier(call.exchange), call.caller) }

    /// Registers the stream that answers a call.
    func insert(_ stream: EventStream, answering call: Call) {
        let id = ObjectIdentifier(call.exchange)
        guard let keyID = keyIDs[id] else { return }
        entries[keyID]?[id] = .stream(stream, call)
    }

    /// Registers a socket, until ``remove(_:)`` is called with it.
    func insert(_ socket: FaceSocket) { insert(.socket(socket), ObjectIdentifier(socket), socket.caller) }

    func remove(_ object: AnyObject) {
        let id = ObjectIdentifier(object)
        guard let keyID = keyIDs.removeValue(forKey: id) else { return }
        entries[keyID]?[id] = nil
        if entries[keyID]?.isEmpty == true { entries[keyID] = nil }
    }

    private func insert(_ new: Entry, _ id: ObjectIdentifier, _ caller: Caller) {
        keyIDs[id] = caller.keyID
        entries[caller.keyID, default: [:]][id] = new
        schedule()
    }

    var counts: Counts {
        var counts = Counts()
        for entry in entries.values.lazy.flatMap(\.values) {
            switch entry {
            case .call: counts.calls += 1
            case .stream: counts.streams += 1
            case .socket: counts.sockets += 1
            }
        }
        return counts
    }

    private var sockets: [FaceSocket] {
        entries.values.flatMap { $0.values.compactMap { if case .socket(let socket) = $0 { socket } else { nil } } }
    }

    // MARK: Ended keys

    private func schedule() {
        if isScheduled { return }
        isScheduled = true
        loop.schedule(after: Self.interval) { [weak self] in
            guard let self else { return }
            self.isScheduled = false
            for keyID in self.entries.keys where !self.authentication.letsIn(keyID: keyID) { self.end(keyID) }
            if !self.entries.isEmpty { self.schedule() }
        }
    }

    /// Ends everything that a revoked or expired key has opened.
    ///
    /// The expiry of a client token or JSON Web Token ends nothing: it is short-lived so that it can be handed out, and what it has
    /// opened may run to its end.
    private func end(_ keyID: String) {
        for entry in entries[keyID].map({ Array($0.values) }) ?? [] {
            switch entry {
            case .call(let call): call.endForRevokedKey(nil)
            case .stream(let stream, let call): call.endForRevokedKey(stream)
            case .socket(let socket): socket.endForRevokedKey()
            }
        }
    }

    // MARK: Shutdown

    /// Closes connections: idle ones now, others after their response, WebSockets when they are at rest, each after a random delay
    /// within the window, so that clients do not all reconnect elsewhere at once.
    func drain(window: Duration) {
        loop.finishConnections()
        for socket in sockets {
            let delay = Duration.nanoseconds(Int64(saturating: Double(window.nanoseconds) * .random(in: 0..<1)))
            loop.schedule(after: delay) { [weak socket] in socket?.closeWhenAtRest() }
        }
    }

    /// Closes all connections after their pending output.
    func closeAll() {
        for socket in sockets { socket.closeForRestart() }
        loop.finishConnections()
    }
}

extension Call {
    /// Ends streams and waiting calls. A call that waits for nothing is answered.
    fileprivate func endForRevokedKey(_ stream: EventStream?) {
        // As if the client had disconnected: a response that only it listens to follows its disconnect policy.
        guard !exchange.isEnded, let leave = exchange.onDisconnect else { return }
        exchange.onDisconnect = nil
        leave()
        let error = APIError(.keyRevoked)
        if !exchange.hasBegun { return fail(error) }
        if let stream, exchange.isEventStream { stream.end(telling: error) } else { exchange.abort() }
    }
}
