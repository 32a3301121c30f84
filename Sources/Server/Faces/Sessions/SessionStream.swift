import Bytes
import HTTP
import JSON
import Network
import Sessions

/// A session's log as an EventSource stream: `id:` is the session sequence number.
final class SessionStream: EventReader {
    /// What a client waits before it connects again, in milliseconds.
    static let retryMilliseconds = 1000

    private let call: Call
    private let stream: EventStream
    private let sessionID: String
    private var sentRetry = false

    init(_ call: Call, sessionID: String, catchUp: CatchUp) {
        self.call = call
        self.sessionID = sessionID
        stream = EventStream(call.exchange, loop: call.loop, heartbeat: call.context.configuration.heartbeat)
        super.init(loop: call.loop, catchUp: catchUp)
        call.exchange.onDisconnect = { [self] in
            stream.stopHeartbeats()
            stop()
        }
        call.exchange.onDrained = { [weak self] in self?.resume() }
    }

    /// Sends the head, once it is clear that the session can be followed.
    func begin() {
        stream.begin(fields: [("Interject-Session", sessionID)])
    }

    override func receive(_ event: LogEvent) -> Cursor.Demand {
        // EventSource fires its own `error` when a connection fails: ours must not look like that.
        let type = event.type == .error ? "interject:error" : event.type.rawValue
        if event.payload.count >= EventStream.leastLongByteCount, event.mergedFrom == nil {
            write(type, id: event.sequence, long: event.payload)
        } else {
            write(type, id: event.sequence) { SequencedPayload.append(event, to: &$0) }
        }
        return stream.isCongested ? .pause : .more
    }

    override func receiveSnapshot(_ state: [UInt8], sequence: Int) {
        write("interject:snapshot", id: sequence, long: SnapshotEvent.payload(state, sequence: sequence))
    }

    override func sessionClosed() {
        begin()
        stream.end(done: false)
    }

    /// The client comes back elsewhere, or here when the server is there again: after a wait of its own, so that not all come at
    /// once. No `id:`: its place in the log stays what it was.
    override func serverStopping() {
        begin()
        let spread = max(1, Int(call.context.configuration.drainWindow.nanoseconds / 1_000_000))
        // number-safe: a constant, and a part of a setting that is at most an hour
        let wait = Self.retryMilliseconds + Int.random(in: 0..<spread)
        stream.write { output in
            output.append("event: interject:draining\nretry: " as StaticString)
            output.append(decimal: wait)
            output.append("\ndata: " as StaticString)
            output.appendJSONObject {
                $0.field("type", "interject:draining")
                $0.field("retry_ms", wait)
            }
            output.append("\n\n" as StaticString)
        }
        stream.end(done: false)
        stop()
    }

    private func write(_ type: String, id: Int, _ payload: (inout ByteBuffer) -> Void) {
        begin()
        stream.write { output in
            writeHead(type, id: id, to: &output)
            payload(&output)
            output.append("\n\n" as StaticString)
        }
    }

    private func write(_ type: String, id: Int, long payload: [UInt8]) {
        begin()
        stream.write({ writeHead(type, id: id, to: &$0) }, data: payload)
    }

    private func writeHead(_ type: String, id: Int, to output: inout ByteBuffer) {
        output.append("id: " as StaticString)
        output.append(decimal: id)
        output.append("\nevent: " as StaticString)
        output.append(type)
        // Within an event, since SDKs take a block of its own for an event without data.
        if !sentRetry {
            output.append("\nretry: " as StaticString)
            output.append(decimal: Self.retryMilliseconds)
            sentRetry = true
        }
        output.append("\ndata: " as StaticString)
    }
}
