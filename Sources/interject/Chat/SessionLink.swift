import HTTP
import JSON
import Network
import Sessions
import WebSocket

/// A participant's connection to a session by WebSocket, restored after an outage: joins, sends messages, and resumes at the last
/// position. Loop-confined.
final class SessionLink {
    private enum State {
        case idle
        case connecting
        /// Joined, and receiving the missed events up to this position.
        case catchingUp(SessionSocket, until: LogPosition)
        case joining(SessionSocket)
        case joined(SessionSocket)
        case waiting(LoopTimer)
        case ended
    }

    let target: SessionTarget
    let name: String
    private let loop: EventLoop
    /// Retained until the end; releasing it then breaks the reference cycle.
    private var follower: (any SessionFollower)?
    private var state = State.idle
    private var backoff = Backoff()
    /// Whether it was ever connected: a server that was never there is not waited for.
    private var hasStood = false
    /// Longest outage before giving up.
    private let patience: Duration
    private var lostAt: Instant?
    /// Position in the log up to which all events were received.
    private var lastPosition = LogPosition.start
    /// Messages that are not in the log yet. Sent again after an outage, once it is certain that they did not arrive.
    private var outbox: [(id: String, message: JSONValue)] = []
    private var commandCount = 0
    private let commandPrefix = String(UInt32.random(in: 0 ... .max), radix: 36)

    private static let joinID = "join"

    init(_ target: SessionTarget, name: String, patience: Duration, on loop: EventLoop, follower: any SessionFollower) {
        self.target = target
        self.name = name
        self.patience = patience
        self.loop = loop
        self.follower = follower
    }

    var isJoined: Bool {
        switch state {
        case .joined, .catchingUp: true
        case .idle, .connecting, .joining, .waiting, .ended: false
        }
    }

    // MARK: Commands

    /// Sends a message. It is in the log once `interject:input.accepted` arrives with the returned identifier.
    func say(_ text: String, mode: String) -> String {
        let id = nextCommandID()
        let message: JSONValue = [
            "type": "interject:input", "session_id": JSONValue(target.sessionID), "input": JSONValue(text),
            "mode": JSONValue(mode), "client_event_id": JSONValue(id),
        ]
        outbox.append((id, message))
        if case .joined(let socket) = state { socket.send(message) }
        return id
    }

    /// Cancels the running response.
    func cancel() {
        switch state {
        case .joined(let socket), .catchingUp(let socket, _):
            socket.send([
                "type": "interject:cancel", "session_id": JSONValue(target.sessionID),
                "client_event_id": JSONValue(nextCommandID()),
            ])
        case .idle, .connecting, .joining, .waiting, .ended: break
        }
    }

    private func nextCommandID() -> String {
        commandCount += 1
        return "chat-\(commandPrefix)-\(commandCount)"
    }

    // MARK: Connection

    func start() {
        state = .connecting
        do throws(SystemCallError) {
            try WebSocketClient.connect(
                to: target.server.address, target: "/v1/responses", host: target.server.host, fields: target.fields,
                layer: target.server.layer(), on: loop,
                opened: { transport in
                    let socket = SessionSocket(
                        transport, onMessage: { [weak self] in self?.received($0) }, onClosed: { [weak self] in self?.closed($0) })
                    self.join(socket)
                    return socket
                }, failed: { self.failed($0) })
        } catch {
            lost("\(error)", isFinal: false)
        }
    }

    /// Leaves the session.
    func end() {
        switch state {
        case .joined(let socket), .catchingUp(let socket, _), .joining(let socket): socket.close(.normal)
        case .waiting(let timer): timer.cancel()
        case .idle, .connecting, .ended: break
        }
        state = .ended
        follower = nil
    }

    private func join(_ socket: SessionSocket) {
        if case .ended = state { return }
        state = .joining(socket)
        let position: JSONValue =
            lastPosition.epoch == 0 ? JSONValue(lastPosition.sequence) : .string(lastPosition.description)
        socket.send([
            "type": "interject:join", "session_id": JSONValue(target.sessionID), "name": JSONValue(name),
            "starting_after": position, "client_event_id": JSONValue(Self.joinID),
        ])
    }

    private func received(_ json: JSONValue) {
        let (event, position) = SessionEvent.read(json)
        switch (state, event) {
        case (.joining(let socket), .failure(let message, let code, Self.joinID)):
            lost(message, isFinal: !SessionTarget.isTemporary(code: code))
            socket.close(.normal)
            return
        case (.joining(let socket), .joined(let position)):
            hasStood = true
            lostAt = nil
            backoff.reset()
            state = .catchingUp(socket, until: position)
            follower?.connected()
        case (_, .snapshot(let position, _, _)): lastPosition = position
        case (_, .accepted(let acceptance)): outbox.removeAll { $0.id == acceptance.clientEventID }
        case (_, .failure(_, _, let id)): outbox.removeAll { $0.id == id }
        default: break
        }
        if let position { lastPosition = max(lastPosition, position) }
        follower?.received(event, position: position)
        if case .catchingUp(let socket, let until) = state, lastPosition >= until {
            state = .joined(socket)
            for waiting in outbox { socket.send(waiting.message) }
        }
    }

    private func failed(_ error: WebSocketClientError) {
        switch error {
        case .refused(let status, let body):
            lost(target.refusal(status: status, body: body), isFinal: !SessionTarget.isTemporary(status: status))
        case .insecure(let error) where error.reason != .closed && error.reason != .timeout && error.reason != .truncated:
            lost(target.server.advice(error), isFinal: true)
        case .insecure: lost("\(error)", isFinal: false)
        case .handshake, .notHTTP: lost("\(error)", isFinal: true)
        case .notConnected, .closed, .timeout: lost("\(error)", isFinal: false)
        }
    }

    private func closed(_ end: ConnectionClosed) {
        lost(end.reason.isEmpty ? "the connection was lost (\(end.code))" : end.reason, isFinal: false)
    }

    private func lost(_ reason: String, isFinal: Bool) {
        switch state {
        case .ended, .waiting: return
        case .idle, .connecting, .joining, .joined, .catchingUp: break
        }
        let since = lostAt ?? loop.now
        lostAt = since
        if isFinal || !hasStood || loop.now - since > patience {
            state = .ended
            follower?.gaveUp(reason)
            follower = nil
            return
        }
        let delay = backoff.next()
        state = .waiting(
            loop.schedule(after: delay) { [weak self] in
                guard let self, case .waiting = self.state else { return }
                self.start()
            })
        follower?.disconnected(reason, retryIn: delay)
    }
}
