import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// A session's log as an EventSource stream: `id:` is the position in the log.
final class SessionStream: EventReader {
    /// Delay before a client reconnects, in milliseconds.
    static let retryMilliseconds = 1000

    private let call: Call
    private let stream: EventStream
    private let sessionID: String
    private let pass: EncodingPass<ResponsesEncoder>
    private var sentRetry = false

    init(_ call: Call, sessionID: String, catchUp: CatchUp) {
        self.call = call
        self.sessionID = sessionID
        pass = call.services.sessions(on: call.loop).passes.pass(ResponsesEncoder.self)
        // EventSource fires `error` for failed connections; the server's events must not look like that.
        stream = EventStream(call, errors: .flat("interject:error", isDone: false))
        super.init(loop: call.loop, catchUp: catchUp, pass: pass)
        call.exchange.onDisconnect = { [self] in
            stream.stopHeartbeats()
            stop()
        }
        call.exchange.onDrained = { [self] in resume() }
        // The client may have left while the session was being looked up.
        if call.exchange.isEnded { stop() }
    }

    /// Sends an error as the status if nothing has been sent yet; otherwise ends the stream, and EventSource reconnects.
    func fail(_ error: APIError) {
        stop()
        if stream.hasBegun { stream.end(done: false) } else { call.fail(error) }
    }

    /// Sends the header, once it is clear that the session can be followed.
    func begin() {
        stream.begin(fields: [("Interject-Session", sessionID)])
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        // EventSource fires `error` for failed connections; the server's events must not look like that.
        let type: StaticString = event.kind == .error ? "interject:error" : event.kind.responsesType
        if !stream.hasBegun { begin() }
        if let first = event.mergedFrom {
            stream.write { output in
                ServerSentEventWriter.begin(
                    id: event.position, epoch: event.logPosition.epoch, type: type, retryMilliseconds: takeRetry(), into: &output)
                SequencedPayload.append(event, mergedFrom: first, json: pass.bytes(of: event), to: &output)
                ServerSentEventWriter.end(into: &output)
            }
        } else {
            stream.write(event, type, id: event.logPosition, retryMilliseconds: takeRetry(), pass)
        }
        return stream.isCongested ? .pause : .more
    }

    override func receiveSnapshot(_ state: [UInt8], at position: LogPosition) {
        begin()
        stream.write(
            "interject:snapshot", id: position, retryMilliseconds: takeRetry(),
            long: SnapshotEvent.payload(state, at: position))
    }

    override func sessionClosed() {
        begin()
        stream.end(done: false)
    }

    /// The client reconnects to another server, or to this one after its restart; after a random delay, so that clients do not all
    /// reconnect at once. No `id:`: the client's position in the log stays the same.
    override func serverStopping() {
        begin()
        let spread = max(1, Int(call.services.settings.drainWindow.nanoseconds / 1_000_000))
        // number-safe: a constant, and a part of a setting that is at most an hour
        let wait = Self.retryMilliseconds + Int.random(in: 0..<spread)
        stream.write { output in
            ServerSentEventWriter.begin(type: "interject:draining", retryMilliseconds: wait, into: &output)
            output.appendJSONObject {
                $0.field("type", "interject:draining")
                $0.field("retry_ms", wait)
            }
            ServerSentEventWriter.end(into: &output)
        }
        stream.end(done: false)
        stop()
    }

    /// Within the first event, since SDKs treat a separate block as an event without data.
    private func takeRetry() -> Int? {
        defer { sentRetry = true }
        return sentRetry ? nil : Self.retryMilliseconds
    }
}
