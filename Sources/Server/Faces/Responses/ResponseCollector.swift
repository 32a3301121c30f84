import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import Sessions

/// A response that has ended, in the form of a face.
struct CollectedResponse: Sendable {
    var json: [UInt8]
    var reference: ResponseHeader
    /// How it ended, whatever the reader is told.
    var ending: EventKind
    /// Told in its place, to a client for whom a cut is an error.
    var cut: APIError?
}

extension EventReader {
    /// Events of so many bytes are read off the loop.
    private static let leastLargeByteCount = 256 << 10

    /// Reads a response off its last event: at once, or, if it is large, off the loop.
    /// - Parameter then: called on the loop.
    func collect(
        _ event: SessionEvent, _ read: @escaping @Sendable () -> CollectedResponse?,
        then: @escaping (Result<CollectedResponse, APIError>) -> Void
    ) {
        guard event.encodedByteCount >= Self.leastLargeByteCount else {
            return then(read().map { .success($0) } ?? .failure(.unreadableResponse))
        }
        // The response has been made: told to try again, its client would have it made twice.
        WorkerPool.shared.runAnyway(for: owner, on: loop) {
            read()
        } then: { response in
            then(response.map { .success($0) } ?? .failure(.unreadableResponse))
        }
    }
}

/// Waits for the end of one response and gives the whole of it.
final class ResponseCollector: EventReader {
    private let responseID: String
    private let cutForm: CutForm
    private let then: (Result<CollectedResponse, APIError>) -> Void

    /// - Parameter then: called once on `loop`, unless the reader is stopped before.
    init(
        loop: EventLoop, responseID: String, cutForm: CutForm = .native,
        then: @escaping (Result<CollectedResponse, APIError>) -> Void
    ) {
        self.responseID = responseID
        self.cutForm = cutForm
        self.then = then
        super.init(loop: loop, catchUp: .losslessOrClose)
    }

    /// Answers the call.
    convenience init(_ call: Call, responseID: String, cutForm: CutForm) {
        self.init(loop: call.loop, responseID: responseID, cutForm: cutForm) { call.answer($0) }
        call.exchange.endsWithInput = true
        call.exchange.onDisconnect = { [self] in stop() }
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        guard event.kind.isTerminal, let reference = event.response, reference.id == responseID else { return .more }
        stop()
        if let failure = reference.failure {
            fail(APIError(failure))
        } else {
            let cutForm = cutForm
            collect(event) {
                event.responseObject.map {
                    CollectedResponse(json: cutForm.retold(response: $0), reference: reference, ending: event.kind)
                }
            } then: { [then] in
                then($0)
            }
        }
        return .more
    }

    override func receivePlaceGone() {
        fail(APIError(status: .gone, message: "The response is no longer kept.", code: "events_expired"))
    }

    override func sessionClosed() {
        fail(.sessionDeleted)
    }

    /// The response goes on when the server is started again.
    override func serverStopping() { fail(.shuttingDown) }

    override func storageStalled() { fail(.storageStalled) }

    func fail(_ error: APIError) {
        stop()
        then(.failure(error))
    }
}

extension Call {
    /// Answers with a response that was waited for.
    func answer(_ result: Result<CollectedResponse, APIError>) {
        switch result {
        case .success(let response):
            if let cut = response.cut {
                tell(cut)
            } else {
                respond(json: response.json, fields: response.reference.fields)
            }
        case .failure(let error): fail(error)
        }
    }
}

extension Call {
    /// Tells of a cut as an error. The command was carried out all the same: its name stands for what came of it.
    func tell(_ cut: APIError) {
        var nameless = self
        nameless.onceName = nil
        nameless.fail(cut)
    }
}

extension APIError {
    /// Somebody deleted it while it was followed.
    static var sessionDeleted: APIError {
        APIError(status: .gone, message: "The session was deleted.", code: "session_deleted")
    }

    /// A response has ended, and the event that says so does not hold it.
    static var unreadableResponse: APIError {
        APIError(
            status: .internalServerError, message: "The response has ended, and cannot be read.", type: "server_error",
            code: "server_error")
    }
}

extension SessionEvent {
    /// The response object of an event of a response's life.
    var responseObject: [UInt8]? {
        guard let header = response, let state = responseState else { return nil }
        var buffer = ByteBuffer(capacity: encodedByteCount)
        buffer.appendJSONObject { state.write(header, to: &$0) }
        return buffer.array
    }
}

extension ResponseHeader {
    /// Fields of an answer that is about this response: its session, and the upstream that was asked.
    var fields: [(name: String, value: String)] {
        [("Interject-Session", sessionID)] + (upstream.map { [("Interject-Upstream", $0)] } ?? [])
    }
}
