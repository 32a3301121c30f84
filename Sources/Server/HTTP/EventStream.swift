import Bytes
import HTTP
import Network

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

    private let exchange: HTTPExchange
    private let loop: EventLoop
    private let heartbeat: Duration
    private var timer: LoopTimer?
    private var lastWrite: Instant

    init(_ exchange: HTTPExchange, loop: EventLoop, heartbeat: Duration) {
        self.exchange = exchange
        self.loop = loop
        self.heartbeat = heartbeat
        lastWrite = loop.now
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

    /// Data of so many bytes is sent as ``write(_:data:)`` does.
    static let leastLongByteCount = 512 << 10

    /// Sends an event whose data is long.
    /// - Parameters:
    ///   - head: all before the data.
    ///   - data: one line.
    func write(_ head: (inout ByteBuffer) -> Void, data: [UInt8]) {
        write(head)
        exchange.write(long: data)
        exchange.write { $0.append("\n\n" as StaticString) }
    }

    /// Sends `data: [DONE]` if asked, and ends.
    func end(done: Bool) {
        timer?.cancel()
        if done { exchange.write { ServerSentEventWriter.appendDone(into: &$0) } }
        exchange.end()
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
