import Access
import Bytes
import HTTP
import Network
import WebSocket

/// What clients have open on one loop: calls that are not answered yet, streams and WebSockets. Loop-confined.
///
/// The one place that knows all of them. It ends what a key has opened when the key ends, lets connections go when the server stops,
/// and counts.
package final class OpenRegistry {
    private enum Entry {
        case call(Call)
        case stream(EventStream, Call)
        case socket(FaceSocket)
    }

    /// How many are open.
    package struct Counts: Sendable, Equatable {
        package var calls = 0
        package var streams = 0
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

    /// How often the keys are looked at. A revoked key is known after half a second: ``KeyRing/pollInterval``.
    private static let interval = Duration.seconds(1)

    init(loop: EventLoop, authentication: Authentication) {
        self.loop = loop
        self.authentication = authentication
    }

    // MARK: What is open

    /// A call whose caller is known; until ``remove(_:)`` with its exchange.
    func insert(_ call: Call) { insert(.call(call), ObjectIdentifier(call.exchange), call.caller) }

    /// A call is answered by a stream.
    func insert(_ stream: EventStream, answering call: Call) {
        let id = ObjectIdentifier(call.exchange)
        guard let keyID = keyIDs[id] else { return }
        entries[keyID]?[id] = .stream(stream, call)
    }

    /// Until ``remove(_:)`` with the socket.
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

    // MARK: A key ends

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

    /// Ends what a key has opened that was revoked, or whose own time is over.
    ///
    /// A client token or JSON Web Token that expires ends nothing: it is short-lived so that it can be handed out, and what it has
    /// opened may come to its end.
    private func end(_ keyID: String) {
        for entry in entries[keyID].map({ Array($0.values) }) ?? [] {
            switch entry {
            case .call(let call): call.endForRevokedKey(nil)
            case .stream(let stream, let call): call.endForRevokedKey(stream)
            case .socket(let socket): socket.endForRevokedKey()
            }
        }
    }

    // MARK: The server stops

    /// Lets connections go: those between two requests now, others behind their answer, WebSockets when they are at rest, each at a
    /// moment of its own within the window, so that not all of them come back at once elsewhere.
    func drain(window: Duration) {
        loop.finishConnections()
        for socket in sockets {
            let delay = Duration.nanoseconds(Int64(saturating: Double(window.nanoseconds) * .random(in: 0..<1)))
            loop.schedule(after: delay) { [weak socket] in socket?.closeWhenAtRest() }
        }
    }

    /// Closes everything behind what is due to it.
    func closeAll() {
        for socket in sockets { socket.closeForRestart() }
        loop.finishConnections()
    }
}

extension Call {
    /// Ends what goes on for long: streams, and answers that are waited for. A call that waits for nothing is answered.
    fileprivate func endForRevokedKey(_ stream: EventStream?) {
        // As if the client had gone: a response that was for it alone goes by its disconnect policy.
        guard !exchange.isEnded, let leave = exchange.onDisconnect else { return }
        exchange.onDisconnect = nil
        leave()
        let error = APIError(.keyRevoked)
        if !exchange.hasBegun { return fail(error) }
        if let stream, exchange.isEventStream { stream.end(telling: error) } else { exchange.abort() }
    }
}
