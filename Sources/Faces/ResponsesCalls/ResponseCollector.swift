import API
import HTTP
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// An ended response, in the form of a face.
struct CollectedResponse: Sendable {
    var json: [UInt8]
    var reference: ResponseHeader
    /// How the response ended, whatever the reader is told.
    var ending: EventKind
    /// The error for a client that prefers errors for cuts.
    var cut: APIError?
}

extension CollectedResponse {
    /// A response of the Responses API; nil if its last event is unreadable.
    init?(_ event: SessionEvent, _ header: ResponseHeader, in cutForm: CutForm) {
        guard let object = event.responseObject else { return nil }
        self.init(json: cutForm.retold(response: object), reference: header, ending: event.kind)
    }
}

/// Waits for the end of a response and returns the whole of it, in the form of a face.
final class ResponseCollector: EventReader {
    /// Reads the response from its last event; nil if that is unreadable. Called off the loop for a large response.
    typealias Reading = @Sendable (SessionEvent, ResponseHeader) -> CollectedResponse?

    /// Size in bytes from which on events are read off the loop.
    private static let leastLargeByteCount = 256 << 10

    private let responseID: String
    private let noun: String
    private let read: Reading
    private let then: (Result<CollectedResponse, APIError>) -> Void

    /// - Parameters:
    ///   - noun: what errors call the response.
    ///   - then: called once on `loop`, unless the reader is stopped first.
    init(
        loop: EventLoop, responseID: String, noun: String = "response", read: @escaping Reading,
        then: @escaping (Result<CollectedResponse, APIError>) -> Void
    ) {
        self.responseID = responseID
        self.noun = noun
        self.read = read
        self.then = then
        super.init(loop: loop, catchUp: .losslessOrClose)
    }

    /// Collects the response to a call.
    convenience init(_ call: Call, responseID: String, noun: String = "response", read: @escaping Reading) {
        self.init(loop: call.loop, responseID: responseID, noun: noun, read: read) { call.answer($0) }
        call.exchange.endsWithInput = true
        call.exchange.onDisconnect = { [self] in stop() }
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        guard event.kind.isTerminal, let header = event.response, header.id == responseID else { return .more }
        stop()
        if let failure = header.failure { fail(APIError(failure)) } else { collect(event, header) }
        return .more
    }

    private func collect(_ event: SessionEvent, _ header: ResponseHeader) {
        let read = read
        let then = { [then] (response: CollectedResponse?) in
            then(response.map { .success($0) } ?? .failure(.unreadableResponse))
        }
        guard event.encodedByteCount >= Self.leastLargeByteCount else { return then(read(event, header)) }
        // The response has been generated: a client told to retry would pay for it twice.
        WorkerPool.shared.runAnyway(for: owner, on: loop) {
            read(event, header)
        } then: {
            then($0)
        }
    }

    override func receivePlaceGone() {
        fail(APIError(status: .gone, message: "The \(noun) is no longer kept.", code: "events_expired"))
    }

    override func sessionClosed() {
        fail(.sessionDeleted)
    }

    /// The response resumes after a restart of the server.
    override func serverStopping() { fail(.shuttingDown) }

    override func storageStalled() { fail(.storageStalled) }

    func fail(_ error: APIError) {
        stop()
        then(.failure(error))
    }
}

extension Call {
    /// Responds with the collected response.
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
    /// Sends a cut as an error. The command was carried out all the same, and its idempotency key stays assigned.
    func tell(_ cut: APIError) {
        var nameless = self
        nameless.onceName = nil
        nameless.fail(cut)
    }
}

extension APIError {
    /// The session was deleted while it was followed.
    static var sessionDeleted: APIError {
        APIError(status: .gone, message: "The session was deleted.", code: "session_deleted")
    }

    /// A response has ended, but its last event does not contain it.
    static var unreadableResponse: APIError {
        APIError(
            status: .internalServerError, message: "The response has ended, and cannot be read.", type: "server_error",
            code: "server_error")
    }
}

extension ResponseHeader {
    /// Fields of an answer that is about this response: its session, and the upstream that was asked.
    var fields: [(name: String, value: String)] {
        [("Interject-Session", sessionID)] + (upstream.map { [("Interject-Upstream", $0)] } ?? [])
    }
}
