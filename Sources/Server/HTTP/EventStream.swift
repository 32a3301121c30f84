import Bytes
import HTTP
import Network
import ResponsesWire
import Sessions

/// The response of a face that streams server-sent events: head, events, heartbeats, end. Loop-confined.
final class EventStream {
    static let contentType = "text/event-stream; charset=utf-8"
    /// No proxy may hold or change the stream: a token that waits in a buffer is a token too late.
    static let fields: [(name: String, value: String)] = [
        ("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no"), ("X-Content-Type-Options", "nosniff"),
    ]

    /// Answers HEAD where GET would begin a stream: nobody listens.
    static func answerHead(_ call: Call, fields: [(name: String, value: String)]) {
        call.exchange.beginStream(.ok, contentType: contentType, fields: self.fields + fields)
    }

    /// How the face tells of an error when the status is sent already.
    struct ErrorForm: Sendable {
        /// Appends a whole event.
        let append: @Sendable (APIError, inout ByteBuffer) -> Void
        /// Whether `data: [DONE]` follows the error.
        let isDone: Bool
    }

    /// How long the status waits for the upstream to take the request. Until then a refusal (401, 429, …) is still told by a real
    /// status, which SDKs act on; afterwards only in the stream.
    static let statusHold = Duration.seconds(2)
    /// And while the disk takes nothing: until the command has been told so, at its own deadline.
    static let diskHold = Session.commitDeadline + .seconds(5)

    private let exchange: HTTPExchange
    private let loop: EventLoop
    private let heartbeat: Duration
    private let errors: ErrorForm
    private var timer: LoopTimer?
    private var lastWrite: Instant

    /// The answer to a call.
    init(_ call: Call, errors: ErrorForm) {
        exchange = call.exchange
        loop = call.loop
        heartbeat = call.context.configuration.heartbeat
        self.errors = errors
        lastWrite = loop.now
        call.context.open(on: loop).insert(self, answering: call)
    }

    var hasBegun: Bool { exchange.hasBegun }
    var isEnded: Bool { exchange.isEnded }
    var isCongested: Bool { exchange.isCongested }

    /// Sends the head, and a heartbeat at once: proxies and clients that wait for a first byte get it.
    func begin(fields: [(name: String, value: String)]) {
        guard !exchange.hasBegun else { return }
        exchange.beginStream(.ok, contentType: Self.contentType, fields: Self.fields + fields)
        sendHeartbeat()
        schedule()
    }

    /// Sends what `body` appends: whole events.
    func write(_ body: (inout ByteBuffer) -> Void) {
        lastWrite = loop.now
        loop.counters.pointee.eventsSent &+= 1
        exchange.write(body)
    }

    /// Sends what `body` appends, whole events: in slices if they are long, as fast as the client takes them.
    /// - Parameter byteCount: of the events, near enough.
    func write(byteCount: Int, _ body: (inout ByteBuffer) -> Void) {
        guard byteCount >= HTTPExchange.leastLongByteCount else { return write(body) }
        var events = ByteBuffer(capacity: byteCount + 1024)
        body(&events)
        lastWrite = loop.now
        loop.counters.pointee.eventsSent &+= 1
        exchange.write(long: events.array)
    }

    /// Sends an event of a log.
    /// - Parameter id: the position to come back with, where the face has them.
    @inline(__always)
    func write<Encoder: EventEncoder>(
        _ event: SessionEvent, _ type: StaticString, id: LogPosition? = nil, retryMilliseconds: Int? = nil,
        _ pass: EncodingPass<Encoder>
    ) {
        if event.encodedByteCount >= HTTPExchange.leastLongByteCount {
            return write(type, id: id, retryMilliseconds: retryMilliseconds, long: [UInt8](pass.bytes(of: event)))
        }
        write { output in
            ServerSentEventWriter.begin(
                id: id?.sequence, epoch: id?.epoch ?? 0, type: type, retryMilliseconds: retryMilliseconds, into: &output)
            pass.append(event, to: &output)
            ServerSentEventWriter.end(into: &output)
        }
    }

    /// Sends an event whose data may be long: it leaves in slices then, as fast as the client takes them.
    /// - Parameter data: one line.
    func write(_ type: StaticString, id: LogPosition? = nil, retryMilliseconds: Int? = nil, long data: [UInt8]) {
        write {
            ServerSentEventWriter.begin(
                id: id?.sequence, epoch: id?.epoch ?? 0, type: type, retryMilliseconds: retryMilliseconds, into: &$0)
        }
        exchange.write(long: data)
        exchange.write { ServerSentEventWriter.end(into: &$0) }
    }

    /// Sends `data: [DONE]` if asked, and ends.
    func end(done: Bool) {
        timer?.cancel()
        if done { exchange.write { ServerSentEventWriter.appendDone(into: &$0) } }
        exchange.end()
    }

    /// Tells of an error, and ends.
    func end(telling error: APIError) {
        write { errors.append(error, &$0) }
        end(done: errors.isDone)
    }

    func stopHeartbeats() { timer?.cancel() }

    private func sendHeartbeat() {
        write { ServerSentEventWriter.appendHeartbeat(into: &$0) }
    }

    private func schedule() {
        timer = loop.schedule(after: heartbeat - (loop.now - lastWrite)) { [weak self] in
            guard let self, !self.isEnded else { return }
            if self.loop.now - self.lastWrite >= self.heartbeat { self.sendHeartbeat() }
            self.schedule()
        }
    }
}
