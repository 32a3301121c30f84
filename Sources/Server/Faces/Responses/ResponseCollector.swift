import Bytes
import HTTP
import JSON
import Network
import Sessions

/// Waits for the end of one response and answers with the whole of it.
final class ResponseCollector: EventReader {
    private let call: Call
    private let responseID: String

    init(_ call: Call, responseID: String) {
        self.call = call
        self.responseID = responseID
        super.init(loop: call.loop, catchUp: .losslessOrClose)
        call.exchange.onDisconnect = { [self] in stop() }
    }

    override func receive(_ event: LogEvent) -> Cursor.Demand {
        guard event.type.isTerminal, let reference = event.response, reference.id == responseID else { return .more }
        stop()
        if let failure = reference.failure {
            fail(APIError(failure))
        } else if let response = event.responseObject {
            call.respond(json: response, fields: reference.fields)
        }
        return .more
    }

    override func receivePlaceGone() {
        fail(APIError(status: .gone, message: "The response is no longer kept.", code: "events_expired"))
    }

    override func sessionClosed() {
        fail(APIError(status: .gone, message: "The session was deleted.", code: "session_deleted"))
    }

    func fail(_ error: APIError) {
        stop()
        call.fail(error)
    }
}

extension LogEvent {
    /// The `response` object of a lifecycle event, as it stands in the payload.
    var responseObject: [UInt8]? {
        payload.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes)
            do {
                try reader.enterObject()
                while let key = try reader.nextKey() {
                    if key == "response" { return [UInt8](try reader.rawValue()) }
                    try reader.skipValue()
                }
            } catch {}
            return nil
        }
    }
}

extension ResponseReference {
    /// Fields of an answer that is about this response: its session, and the upstream that was asked.
    var fields: [(name: String, value: String)] {
        [("Interject-Session", sessionID)] + (upstream.map { [("Interject-Upstream", $0)] } ?? [])
    }
}
