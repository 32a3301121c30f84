import Bytes
import HTTP
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
        write(event.type == .error ? "interject:error" : event.type.rawValue, id: event.sequence) {
            SequencedPayload.append(event, to: &$0)
        }
        return stream.isCongested ? .pause : .more
    }

    override func receiveSnapshot(_ state: [UInt8], sequence: Int) {
        write("interject:snapshot", id: sequence) { $0.append(SnapshotEvent.payload(state, sequence: sequence)) }
    }

    override func sessionClosed() {
        begin()
        stream.end(done: false)
    }

    private func write(_ type: String, id: Int, _ payload: (inout ByteBuffer) -> Void) {
        begin()
        stream.write { output in
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
            payload(&output)
            output.append("\n\n" as StaticString)
        }
    }
}
