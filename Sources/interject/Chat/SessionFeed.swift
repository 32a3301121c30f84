import Bytes
import HTTP
import JSON
import Network
import Sessions

/// Follows a session by server-sent events, read-only. After an outage it resumes behind the last event, by `Last-Event-ID`.
/// Loop-confined.
final class SessionFeed {
    /// Silence after which the connection counts as lost. The server's heartbeats are far more frequent.
    static let silenceTimeout = Duration.seconds(90)

    private enum State {
        case idle
        case reading(HTTPCall)
        case waiting(LoopTimer)
        case ended
    }

    private let target: SessionTarget
    private let loop: EventLoop
    /// Retained until the end; releasing it then breaks the reference cycle.
    private var follower: (any SessionFollower)?
    private var state = State.idle
    private var parser = ServerSentEventParser()
    private var lastEventID: String?
    private var backoff = Backoff()
    private var hasStood = false
    private var status = 0
    private var refusal: [UInt8] = []

    init(_ target: SessionTarget, on loop: EventLoop, follower: any SessionFollower) {
        self.target = target
        self.loop = loop
        self.follower = follower
    }

    func start() {
        var fields = target.fields + [(name: "Accept", value: "text/event-stream")]
        if let lastEventID { fields.append((name: "Last-Event-ID", value: lastEventID)) }
        parser.reset()
        status = 0
        refusal = []
        let handlers = HTTPCall.Handlers(
            head: { [weak self] in self?.began($0) }, body: { [weak self] in self?.received($0) },
            ended: { [weak self] in self?.ended($0) })
        do throws(FieldError) {
            let request = HTTPCall.Request(target: "\(target.path)/events", fields: fields)
            state = .reading(
                try HTTPCall.start(request, to: target.server, bodySilence: Self.silenceTimeout, on: loop, handlers))
        } catch {
            lost("\(error)", isFinal: true)
        }
    }

    func end() {
        if case .reading(let call) = state { call.cancel() }
        if case .waiting(let timer) = state { timer.cancel() }
        state = .ended
        follower = nil
    }

    private func began(_ head: HTTPClientResponse) {
        status = head.status
        guard status == 200 else { return }
        hasStood = true
        backoff.reset()
        follower?.connected()
    }

    private func received(_ bytes: UnsafeRawBufferPointer) {
        guard status == 200 else {
            refusal.append(contentsOf: bytes.prefix(max(0, 65_536 - refusal.count)))
            return
        }
        var input = bytes
        do throws(ServerSentEventError) {
            while let event = try parser.next(&input) {
                guard let json = try? JSONValue.parse(event.data) else { continue }
                let id = String(decoding: parser.lastEventID, as: UTF8.self)
                let isNew = !id.isEmpty && id != lastEventID
                if isNew { lastEventID = id }
                let (read, position) = SessionEvent.read(json)
                follower?.received(read, position: position ?? (isNew ? LogPosition(id) : nil))
            }
        } catch {
            if case .reading(let call) = state { call.cancel() }
            lost("\(error)", isFinal: true)
        }
    }

    private func ended(_ failure: HTTPTransferError?) {
        switch (failure, status) {
        case (let failure?, _): lost(target.server.advice(failure), isFinal: false)
        case (nil, 200): lost("the server ended the stream", isFinal: false)
        // The session was deleted, or no events can follow.
        case (nil, 204): lost("the session has ended", isFinal: true)
        case (nil, let status):
            lost(target.refusal(status: status, body: refusal), isFinal: !SessionTarget.isTemporary(status: status))
        }
    }

    private func lost(_ reason: String, isFinal: Bool) {
        if case .ended = state { return }
        if isFinal || !hasStood {
            state = .ended
            follower?.gaveUp(reason)
            follower = nil
            return
        }
        let asked = parser.retryMilliseconds.map { Duration.milliseconds(min($0, 60_000)) } ?? .zero
        let delay = max(backoff.next(), asked * Double.random(in: 1...1.2))
        state = .waiting(loop.schedule(after: delay) { [weak self] in self?.start() })
        follower?.disconnected(reason, retryIn: delay)
    }
}
