public import Bytes
public import HTTP
import Hosting
public import Network
public import Sessions

/// A response of server-sent events: header, events, heartbeats, end. Loop-confined.
@usableFromInline
package final class EventStream {
    /// The media type.
    package static let contentType = "text/event-stream; charset=utf-8"
    /// Keeps proxies from buffering or transforming the stream: a buffered token arrives too late.
    package static let fields: [(name: String, value: String)] = [
        ("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no"), ("X-Content-Type-Options", "nosniff"),
    ]

    /// Responds to HEAD where GET would begin a stream.
    package static func answerHead(_ call: Call, fields: [(name: String, value: String)]) {
        call.exchange.beginStream(.ok, contentType: contentType, fields: self.fields + fields)
    }

    /// How a face reports an error after the status has been sent.
    package struct ErrorForm: Sendable {
        /// Appends a complete event.
        let append: @Sendable (APIError, inout ByteBuffer) -> Void
        /// Whether `data: [DONE]` follows the error.
        let isDone: Bool

        /// - Parameter append: appends a complete event.
        package init(append: @escaping @Sendable (APIError, inout ByteBuffer) -> Void, isDone: Bool) {
            self.append = append
            self.isDone = isDone
        }
    }

    /// How long the status waits for the upstream to accept the request. Until then a refusal (401, 429, …) is reported by a real
    /// status, which SDKs act on; afterwards only in the stream.
    static let statusHold = Duration.seconds(2)
    /// How long it waits while the disk accepts no writes: until the command has failed for that reason, at its own deadline.
    static let diskHold = CommitWait.deadline + .seconds(5)

    @usableFromInline let exchange: HTTPExchange
    @usableFromInline let loop: EventLoop
    private let heartbeat: Duration
    private let errors: ErrorForm
    private var timer: LoopTimer?
    @usableFromInline var lastWrite: Instant

    /// The response to a call.
    package init(_ call: Call, errors: ErrorForm) {
        exchange = call.exchange
        loop = call.loop
        heartbeat = call.services.settings.heartbeat
        self.errors = errors
        lastWrite = loop.now
        call.services.calls(on: loop).open.insert(self, answering: call)
    }

    @inlinable package var hasBegun: Bool { exchange.hasBegun }
    /// Whether the response has ended.
    @inlinable package var isEnded: Bool { exchange.isEnded }
    /// Whether the client reads too slowly.
    @inlinable package var isCongested: Bool { exchange.isCongested }

    /// Sends the header and a first heartbeat at once, for proxies and clients that wait for a first byte.
    package func begin(fields: [(name: String, value: String)]) {
        guard !exchange.hasBegun else { return }
        exchange.beginStream(.ok, contentType: Self.contentType, fields: Self.fields + fields)
        sendHeartbeat()
        schedule()
    }

    /// Sends complete events, appended by `body`.
    @inlinable
    package func write(_ body: (inout ByteBuffer) -> Void) {
        lastWrite = loop.now
        loop.counters.pointee.eventsSent &+= 1
        exchange.write(body)
    }

    /// Sends complete events, appended by `body`; long ones in slices, as fast as the client reads.
    /// - Parameter byteCount: approximate size of the events.
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
    /// - Parameter id: the position to resume from, for faces with event identifiers.
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

    /// Sends an event whose data may be long; it is then sent in slices, as fast as the client reads.
    /// - Parameter data: a single line.
    @usableFromInline
    package func write(_ type: StaticString, id: LogPosition? = nil, retryMilliseconds: Int? = nil, long data: [UInt8]) {
        write {
            ServerSentEventWriter.begin(
                id: id?.sequence, epoch: id?.epoch ?? 0, type: type, retryMilliseconds: retryMilliseconds, into: &$0)
        }
        exchange.write(long: data)
        exchange.write { ServerSentEventWriter.end(into: &$0) }
    }

    /// Ends the stream, with `data: [DONE]` before if `done` is true.
    package func end(done: Bool) {
        timer?.cancel()
        if done { exchange.write { ServerSentEventWriter.appendDone(into: &$0) } }
        exchange.end()
    }

    /// Reports an error and ends the stream.
    package func end(telling error: APIError) {
        write { errors.append(error, &$0) }
        end(done: errors.isDone)
    }

    /// Sends no more heartbeats.
    package func stopHeartbeats() { timer?.cancel() }

    private func sendHeartbeat() {
        write { ServerSentEventWriter.appendHeartbeat(into: &$0) }
    }

    private func schedule() {
        timer = loop.schedule(after: heartbeat - (loop.now - lastWrite)) { [self] in
            // Cancelled with the stream's end: a weak reference would slow down each retain of the stream for as long as it lives.
            guard !isEnded else { return }
            if loop.now - lastWrite >= heartbeat { sendHeartbeat() }
            schedule()
        }
    }
}
