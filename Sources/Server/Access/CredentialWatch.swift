import Bytes
import HTTP
import Network
import WebSocket

/// What is open on one loop by somebody's key, so that it ends when the key does. Loop-confined.
///
/// A key that is revoked, or whose own time is over, ends what it opened within seconds. A client token or JSON Web Token that
/// expires does not: it is short-lived so that it can be handed out, and what it has opened may come to its end.
final class CredentialWatch {
    private enum Opened {
        case call(Call)
        case socket(ResponsesSocket)
    }

    private let loop: EventLoop
    private let authentication: Authentication
    /// By key, so that each is looked up once however much it has opened.
    private var opened: [String: [ObjectIdentifier: Opened]] = [:]
    private var keyIDs: [ObjectIdentifier: String] = [:]
    private var isScheduled = false

    /// How often the keys are looked at. A revoked key is known after half a second: ``KeyRing/pollInterval``.
    private static let interval = Duration.seconds(1)

    init(loop: EventLoop, authentication: Authentication) {
        self.loop = loop
        self.authentication = authentication
    }

    func insert(_ call: Call) { insert(.call(call), ObjectIdentifier(call.exchange), call.caller) }
    func insert(_ socket: ResponsesSocket) { insert(.socket(socket), ObjectIdentifier(socket), socket.caller) }

    func remove(_ object: AnyObject) {
        let id = ObjectIdentifier(object)
        guard let keyID = keyIDs.removeValue(forKey: id) else { return }
        opened[keyID]?[id] = nil
        if opened[keyID]?.isEmpty == true { opened[keyID] = nil }
    }

    private func insert(_ new: Opened, _ id: ObjectIdentifier, _ caller: Caller) {
        keyIDs[id] = caller.keyID
        opened[caller.keyID, default: [:]][id] = new
        schedule()
    }

    private func schedule() {
        if isScheduled { return }
        isScheduled = true
        loop.schedule(after: Self.interval) { [weak self] in
            guard let self else { return }
            self.isScheduled = false
            for keyID in self.opened.keys where !self.authentication.letsIn(keyID: keyID) { self.end(keyID) }
            if !self.opened.isEmpty { self.schedule() }
        }
    }

    private func end(_ keyID: String) {
        for one in opened[keyID].map({ Array($0.values) }) ?? [] {
            switch one {
            case .call(let call): call.endForRevokedKey()
            case .socket(let socket): socket.endForRevokedKey()
            }
        }
    }
}

extension Authentication {
    static var keyRevoked: APIError {
        APIError(
            status: .unauthorized, message: "The key that this was opened with is no longer valid.", type: "authentication_error",
            code: "key_revoked", fields: [("WWW-Authenticate", "Bearer")])
    }
}

extension Call {
    /// Ends what goes on for long: streams, and answers that are waited for. What is answered in a moment is answered.
    fileprivate func endForRevokedKey() {
        // As if the client had gone: a response that was for it alone goes by its disconnect policy.
        guard !exchange.isEnded, let leave = exchange.onDisconnect else { return }
        exchange.onDisconnect = nil
        leave()
        let error = Authentication.keyRevoked
        if !exchange.hasBegun { return fail(error) }
        guard exchange.isEventStream else { return exchange.abort() }
        let face = ServerCounters.Face(rawValue: exchange.label)
        exchange.write { output in
            switch face {
            case .chat: InBandError.appendChat(error, into: &output)
            case .sessions: InBandError.append(error, event: "interject:error", into: &output)
            default: InBandError.append(error, into: &output)
            }
            if face != .sessions { ServerSentEventWriter.appendDone(into: &output) }
        }
        exchange.end()
    }
}

extension ResponsesSocket {
    fileprivate func endForRevokedKey() {
        guard isOpen else { return }
        fail(Authentication.keyRevoked)
        close(.policyViolation, reason: "The key that this connection was opened with is no longer valid.")
    }
}
