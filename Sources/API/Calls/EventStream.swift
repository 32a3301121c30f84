public import Bytes
public import HTTP
import Hosting
public import Network
public import Sessions

/// The response of a face that streams server-sent events: head, events, heartbeats, end. Loop-confined.
@usableFromInline
package final class EventStream {
    package static let contentType = "text/event-stream; charset=utf-8"
    /// No proxy may hold or change the stream: a token that waits in a buffer is a token too late.
    package static let fields: [(name: String, value: String)] = [
        ("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no"), ("X-Content-Type-Options", "nosniff"),
    ]

    /// Answers HEAD where GET would begin a stream: nobody listens.
    package static func answerHead(_ call: Call, fields: [(name: String, value: String)]) {
        call.exchange.beginStream(.ok, contentType: contentType, fields: self.fields + fields)
    }

    /// How the face tells of an error when the status is sent already.
    package struct ErrorForm: Sendable {
        /// Appends a whole event.
        let append: @Sendable (APIError, inout ByteBuffer) -> Void
        /// Whether `data: [DONE]` follows the error.
        let isDone: Bool

        package init(append: @escaping @Sendable (APIError, inout ByteBuffer) -> Void, isDone: Bool) {
            self.append = append
            self.isDone = isDone
        }
    }

    /// How long the status waits for the upstream to take the request. Until then a refusal (401, 429, …) is still told by a real
    /// status, which SDKs act on; afterwards only in the stream.
    static let statusHold = Duration.seconds(2)
    /// And while the disk takes nothing: until the command has been told so, at its own deadline.
    static let diskHold = CommitWait.deadline + .seconds(5)

    @usableFromInline let exchange: HTTPExchange
    @usableFromInline let loop: EventLoop
    private let heartbeat: Duration
    private let errors: ErrorForm
    private var timer: LoopTimer?
    @usableFromInline var lastWrite: Instant

    /// The answer to a call.
    package init(_ call: Call, errors: ErrorForm) {
        exchange = call.exchange
        loop = call.loop
        heartbeat = call.services.settings.heartbeat
        self.errors = errors
        lastWrite = loop.now
        call.services.calls(on: loop).open.insert(self, answering: call)
    }

    deinit { timer?.cancel() }

    @inlinable package var hasBegun: Bool { exchange.hasBegun }
    @inlinable package var isEnded: Bool { exchange.isEnded }
    @inlinable package var isCongested: Bool { exchange.isCongested }

    /// Sends the head, and a heartbeat at once: proxies and clients that wait for a first byte get it.
    package func begin(fields: [(name: String, value: String)]) {
        guard !exchange.hasBegun else { return }
        exchange.beginStream(.ok, contentType: Self.contentType, fields: Self.fields + fields)
        sendHeartbeat()
        schedule()
    }

    /// Sends what `body` appends: whole events.
    @inlinable
    package func write(_ body: (inout ByteBuffer) -> Void) {
        lastWrite = loop.now
        loop.counters.pointee.eventsSent &+= 1
        exchange.write(body)
    }

    /// Sends what `body` appends, whole events: in slices if they are long, as fast as the client takes them.
    /// - Parameter byteCount: of the events, near enough.
    @inlinable
    package func write(byteCount: Int, _ body: (inout ByteBuffer) -> Void) {
        guard byteCount >= HTTPExchange.leastLongByteCount else { return write(body) }
        var events = ByteBuffer(capacity: byteCount + 1024)
        body(&events)
        lastWrite = loop.now
        loop.counters.pointee.eventsSent &+= 1
        exchange.write(long: events.array)
    }

    /// Sends an event of a log.
    /// - Parameter id: the position to come back with, where the face has them.
    @inlinable @inline(__always)
    package func write<Encoder: EventEncoder>(
        _ event: SessionEvent, _ type: StaticString, id: LogPosition? = nil, retryMilliseconds: Int? = nil,
        _ pass: EncodingPass<Encoder>
    ) {
        if Encoder.byteCount(of: event) >= HTTPExchange.leastLongByteCount {
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
    @usableFromInline
    package func write(_ type: StaticString, id: LogPosition? = nil, retryMilliseconds: Int? = nil, long data: [UInt8]) {
        write {
            ServerSentEventWriter.begin(
                id: id?.sequence, epoch: id?.epoch ?? 0, type: type, retryMilliseconds: retryMilliseconds, into: &$0)
        }
        exchange.write(long: data)
        exchange.write { ServerSentEventWriter.end(into: &$0) }
    }

    /// Sends `data: [DONE]` if asked, and ends.
    package func end(done: Bool) {
        timer?.cancel()
        if done { exchange.write { ServerSentEventWriter.appendDone(into: &$0) } }
        exchange.end()
    }

    /// Tells of an error, and ends.
    package func end(telling error: APIError) {
        write { errors.append(error, &$0) }
        end(done: errors.isDone)
    }

    package func stopHeartbeats() { timer?.cancel() }

    private func sendHeartbeat() {
        write { ServerSentEventWriter.appendHeartbeat(into: &$0) }
    }

    private func schedule() {
        timer = loop.schedule(after: heartbeat - (loop.now - lastWrite)) { [unowned self] in
            guard !isEnded else { return }
            if loop.now - lastWrite >= heartbeat { sendHeartbeat() }
            schedule()
        }
    }
}
